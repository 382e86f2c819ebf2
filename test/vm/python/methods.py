"""Calls every public method of the Python SDK and prints one line for each: its name, and "ok" or what went wrong.

MODE is "sync" or "async". A method that this version does not have yet is "absent". With ONLY=code the code runner is
tried instead of the rest.
"""

import asyncio
import inspect
import os
import socket
import sys
import threading
import time

import httpx
import wrenn

SYNC = os.environ["MODE"] == "sync"
Capsule = wrenn.Capsule if SYNC else wrenn.AsyncCapsule
Client = wrenn.WrennClient if SYNC else wrenn.AsyncWrennClient

resolve = socket.getaddrinfo


def resolve_localhost(host, *rest, **named):
    """Names below localhost are this machine, as browsers have it; not every resolver knows."""
    name = host.decode() if isinstance(host, bytes) else host
    local = isinstance(name, str) and name.endswith(".localhost")
    return resolve("127.0.0.1" if local else host, *rest, **named)


socket.getaddrinfo = resolve_localhost


async def call(value):
    """What a call gives, in both modes."""
    return await value if inspect.isawaitable(value) else value


async def each(values):
    """The items of an iterator, in both modes."""
    values = await call(values)
    if hasattr(values, "__aiter__"):
        async for value in values:
            yield value
    else:
        for value in values:
            yield value


class entered:
    """Enters a context manager, in both modes."""

    def __init__(self, manager):
        self.manager = manager

    async def __aenter__(self):
        if hasattr(self.manager, "__aenter__"):
            return await self.manager.__aenter__()
        return self.manager.__enter__()

    async def __aexit__(self, *how):
        if hasattr(self.manager, "__aexit__"):
            return await self.manager.__aexit__(*how)
        return self.manager.__exit__(*how)


checks = []


def check(*needs):
    """Registers a check of the methods with these names, each looked up before."""

    def add(function):
        checks.append((function.__name__.replace("__", "."), needs, function))
        return function

    return add


def same(seen, wanted):
    if seen != wanted:
        raise AssertionError(f"{seen!r} instead of {wanted!r}")


async def sh(capsule, command, **options):
    return await call(capsule.commands.run(command, **options))


# Capsules


@check()
async def capsule__is_running(capsule):
    same(await call(capsule.is_running()), True)


@check()
async def capsule__ping(capsule):
    await call(capsule.ping())


@check()
async def capsule__wait_ready(capsule):
    await call(capsule.wait_ready())


@check()
async def capsule__get_info(capsule):
    info = await call(capsule.get_info())
    same((info.id, str(info.status.value)), (capsule.capsule_id, "running"))


@check()
async def capsule__static_get_info(capsule):
    same((await call(Capsule.get_info(capsule.capsule_id))).id, capsule.capsule_id)


@check()
async def capsule__list(capsule):
    assert capsule.capsule_id in [one.id for one in await call(Capsule.list())]


@check()
async def capsule__pause_and_resume(capsule):
    await sh(capsule, "echo kept > /dev/shm/kept")
    same((await call(capsule.pause())).status.value, "paused")
    same(await call(capsule.is_running()), False)
    same((await call(capsule.resume())).status.value, "running")
    same((await sh(capsule, "cat /dev/shm/kept")).stdout, "kept\n")


@check()
async def capsule__static_pause_and_resume(capsule):
    same((await call(Capsule.pause(capsule.capsule_id))).status.value, "paused")
    same((await call(Capsule.resume(capsule.capsule_id))).status.value, "running")


@check()
async def capsule__connect(capsule):
    await call(capsule.pause())
    again = await call(Capsule.connect(capsule.capsule_id))
    same((await sh(again, "echo here")).stdout, "here\n")


@check()
async def capsule__get_url(capsule):
    assert f"8000-{capsule.capsule_id}." in capsule.get_url(8000)


@check()
async def capsule__create_snapshot_and_destroy(_):
    async with entered(await made("minimal")) as source:
        await sh(source, "echo first > /root/first")
        template = await call(source.create_snapshot(name=f"python-{os.environ['MODE']}", overwrite=True))
    async with entered(await made(template.name)) as copy:
        same(await call(copy.files.read("/root/first")), "first\n")
        await call(copy.destroy())
        same((await call(copy.get_info())).status.value, "stopped")
    other = await made("minimal")
    await call(Capsule.destroy(other.capsule_id))


@check()
async def capsule__create(_):
    created = await call(Capsule.create(template="minimal", vcpus=1, memory_mb=512, timeout=600, wait=True))
    same((await call(created.get_info())).timeout_sec, 600)
    await call(created.destroy())


# Commands


@check()
async def commands__run(capsule):
    done = await sh(capsule, 'printf "%s ö %s" "$WORD" "$PWD"; echo bad >&2; exit 3', envs={"WORD": "so"}, cwd="/tmp")
    same((done.stdout, done.stderr, done.exit_code), ("so ö /tmp", "bad\n", 3))


@check()
async def commands__run_binary(capsule):
    same((await sh(capsule, r"printf '\377\376'")).stdout, "\ufffd\ufffd")


@check()
async def commands__run_timeout(capsule):
    try:
        await sh(capsule, "sleep 30", timeout=1)
    except wrenn.WrennAgentError:
        return
    raise AssertionError("no error")


@check()
async def commands__run_background(capsule):
    handle = await sh(capsule, "sleep 300", background=True, tag="sleeper")
    same(handle.tag, "sleeper")
    listed = {process.tag: process.pid for process in await call(capsule.commands.list())}
    same(listed["sleeper"], handle.pid)
    await call(capsule.commands.kill(handle.pid))
    try:
        await call(capsule.commands.kill(handle.pid))
    except wrenn.WrennNotFoundError:
        return
    raise AssertionError("no error")


@check()
async def commands__stream(capsule):
    text, err, kinds = "", "", []
    async for event in each(capsule.commands.stream("for i in 1 2 3; do echo ü$i; done; echo bad >&2; exit 4")):
        kinds.append(event.type)
        if event.type == "stdout":
            text += event.data
        if event.type == "stderr":
            err += event.data
    same((text, err, kinds[0], kinds[-1], event.exit_code), ("ü1\nü2\nü3\n", "bad\n", "start", "exit", 4))


@check()
async def commands__stream_args(capsule):
    text = ""
    async for event in each(capsule.commands.stream("printf", args=["%s-", "a b", "c"])):
        text += event.data if event.type == "stdout" else ""
    same(text, "a b-c-")


@check()
async def commands__stream_left_early(capsule):
    stream = capsule.commands.stream("while :; do echo more; sleep 0.1; done")
    events = each(stream)
    pid = (await anext(events)).pid
    same((await anext(events)).type, "stdout")
    await events.aclose()
    try:
        await call(stream.aclose() if hasattr(stream, "aclose") else stream.close())
    except BaseExceptionGroup as leaving:
        # The package's own way to be left in the middle: its socket is closed all the same.
        assert leaving.subgroup(GeneratorExit), leaving
    await until(lambda: gone(capsule, pid))


async def gone(capsule, pid):
    return pid not in [process.pid for process in await call(capsule.commands.list())]


@check()
async def commands__connect(capsule):
    handle = await sh(capsule, "echo before; sleep 2; echo after", background=True)
    text = ""
    async for event in each(capsule.commands.connect(handle.pid)):
        text += event.data if event.type == "stdout" else ""
    same((text, event.type), ("before\nafter\n", "exit"))


# Terminals


async def wait_for(term, wanted):
    seen = b""
    async for event in each(term):
        if event.type == "output":
            seen += event.data
            if wanted in seen:
                return seen
        if event.type == "exit":
            break
    raise AssertionError(f"{wanted!r} is not in {seen!r}")


@check()
async def pty__write_and_resize(capsule):
    async with entered(capsule.pty(cols=100, rows=30, envs={"WORD": "hello"})) as term:
        await call(term.write(b"stty size; echo $WORD $TERM-\n"))
        same(b"30 100" in await wait_for(term, b"hello xterm-256color-"), True)
        await call(term.resize(120, 40))
        await call(term.write(b"stty size\n"))
        await wait_for(term, b"40 120")
        assert term.tag.startswith("pty-") and term.pid > 0


@check()
async def pty__read_only(capsule):
    async with entered(capsule.pty(cmd="/bin/sh", args=["-c", "echo só; exit 5"])) as term:
        seen, code = b"", None
        async for event in each(term):
            if event.type == "output":
                seen += event.data
            if event.type == "exit":
                code = event.exit_code
        assert "só".encode() in seen, seen
        # The oldest version ends its iteration instead of telling the exit.
        assert code in (5, None), code


@check()
async def pty__connect(capsule):
    manager = capsule.pty()
    term = await entered(manager).__aenter__()
    await call(term.write(b"echo first-$((20 + 1))\n"))
    await wait_for(term, b"first-21")
    tag = term.tag
    # The connection goes, the session stays.
    await call(term._ws.close())
    async with entered(capsule.pty_connect(tag)) as again:
        await wait_for(again, b"first-21")
        await call(again.write(b"echo second-$((20 + 2))\n"))
        await wait_for(again, b"second-22")
    try:
        await entered(manager).__aexit__(None, None, None)
    except Exception:
        pass


@check()
async def pty__kill(capsule):
    async with entered(capsule.pty()) as term:
        await call(term.write(b"echo r''eady\n"))
        await wait_for(term, b"ready")
        await call(term.kill())
        async for event in each(term):
            pass


# Files


@check()
async def files__write_and_read(capsule):
    await call(capsule.files.write("/root/new/dir/a.txt", "grüße"))
    same(await call(capsule.files.read("/root/new/dir/a.txt")), "grüße")
    await call(capsule.files.write("b.bin", b"\x00\xff"))
    same(await call(capsule.files.read_bytes("/root/b.bin")), b"\x00\xff")


@check()
async def files__list(capsule):
    await call(capsule.files.write("/root/listed/sub/a", "a"))
    await sh(capsule, "ln -s sub /root/listed/link")
    same(sorted(entry.name for entry in await call(capsule.files.list("/root/listed"))), ["link", "sub"])
    deep = await call(capsule.files.list("/root/listed", depth=2))
    same(sorted(entry.path for entry in deep)[-1], "/root/listed/sub/a")


@check()
async def files__exists(capsule):
    await call(capsule.files.write("/root/there", ""))
    same(await call(capsule.files.exists("/root/there")), True)
    same(await call(capsule.files.exists("/root/not-there")), False)
    same(await call(capsule.files.exists("/nowhere/at/all")), False)


@check()
async def files__make_dir(capsule):
    same((await call(capsule.files.make_dir("/root/made/here"))).path, "/root/made/here")
    # Newer versions take one that exists for an answer, the oldest raise.
    try:
        await call(capsule.files.make_dir("/root/made/here"))
    except wrenn.WrennConflictError:
        pass


@check()
async def files__remove(capsule):
    await call(capsule.files.write("/root/away/a", "a"))
    await call(capsule.files.remove("/root/away"))
    same(await call(capsule.files.exists("/root/away")), False)
    try:
        await call(capsule.files.read("/root/away/a"))
    except (wrenn.WrennNotFoundError, httpx.HTTPStatusError):
        # The oldest versions raise the HTTP client's own error.
        return
    raise AssertionError("no error")


def pieces():
    for number in range(64):
        yield bytes([number]) * 65536


async def async_pieces():
    for piece in pieces():
        yield piece


@check()
async def files__upload_and_download_stream(capsule):
    await call(capsule.files.upload_stream("/root/big", pieces() if SYNC else async_pieces()))
    read = b""
    async for piece in each(capsule.files.download_stream("/root/big")):
        read += piece
    same(read == b"".join(pieces()), True)


# Git


async def repository(capsule, name):
    where = f"/root/git/{name}"
    await sh(capsule, f"rm -rf {where}; mkdir -p {where}")
    git = capsule.git
    await call(git.init(where, initial_branch="main"))
    await call(git.configure_user("An Author", "author@example.com"))
    await call(capsule.files.write(f"{where}/a", "one\n"))
    await call(git.add(all=True, cwd=where))
    await call(git.commit("first", cwd=where))
    return where


@check()
async def git__init_add_commit_status(capsule):
    where = await repository(capsule, "plain")
    await call(capsule.files.write(f"{where}/b", "two\n"))
    same((await call(capsule.git.status(cwd=where))).branch, "main")
    await call(capsule.git.add(["b"], cwd=where))
    await call(capsule.git.commit("second", author_name="Another", author_email="other@example.com", cwd=where))
    same((await sh(capsule, "git log --format=%s-%an", cwd=where)).stdout, "second-Another\nfirst-An Author\n")


@check()
async def git__branches(capsule):
    where = await repository(capsule, "branches")
    await call(capsule.git.create_branch("side", cwd=where))
    await call(capsule.git.checkout_branch("main", cwd=where))
    same(sorted(branch.name for branch in await call(capsule.git.branches(cwd=where))), ["main", "side"])
    await call(capsule.git.delete_branch("side", cwd=where))


@check()
async def git__remote_push_pull_clone(capsule):
    where = await repository(capsule, "near")
    await sh(capsule, "git init -q --bare -b main /root/git/far.git")
    await call(capsule.git.remote_add("origin", "/root/git/far.git", cwd=where))
    same(await call(capsule.git.remote_get("origin", cwd=where)), "/root/git/far.git")
    await call(capsule.git.push("origin", "main", set_upstream=True, cwd=where))
    await call(capsule.git.clone("file:///root/git/far.git", "/root/git/copy", depth=1))
    same(await call(capsule.files.read("/root/git/copy/a")), "one\n")
    await call(capsule.git.commit("empty", allow_empty=True, cwd=where))
    await call(capsule.git.push(cwd=where))
    await call(capsule.git.pull(ff_only=True, cwd="/root/git/copy"))
    same((await sh(capsule, "git log -1 --format=%s", cwd="/root/git/copy")).stdout, "empty\n")
    await sh(capsule, "rm -rf /root/git/far.git /root/git/copy")


@check()
async def git__reset_and_restore(capsule):
    where = await repository(capsule, "back")
    await call(capsule.files.write(f"{where}/a", "changed\n"))
    await call(capsule.git.restore(["a"], worktree=True, cwd=where))
    same(await call(capsule.files.read(f"{where}/a")), "one\n")
    await call(capsule.files.write(f"{where}/a", "changed\n"))
    await call(capsule.git.reset(mode="hard", ref="HEAD", cwd=where))
    same(await call(capsule.files.read(f"{where}/a")), "one\n")


@check()
async def git__config(capsule):
    where = await repository(capsule, "config")
    await call(capsule.git.set_config("core.abbrev", "12", cwd=where))
    same(await call(capsule.git.get_config("core.abbrev", cwd=where)), "12")
    same(await call(capsule.git.get_config("no.such", cwd=where)), None)
    await call(capsule.git.dangerously_authenticate("user", "secret"))


# The client


@check("capsules.create")
async def client__capsules(client):
    one = await call(client.capsules.create(template="minimal"))
    same((await call(client.capsules.get(one.id))).id, one.id)
    assert one.id in [other.id for other in await call(client.capsules.list())]
    await call(client.capsules.ping(one.id))
    same((await call(client.capsules.pause(one.id))).status.value, "paused")
    same((await call(client.capsules.resume(one.id))).status.value, "running")
    template = await call(client.snapshots.create(one.id, f"client-{os.environ['MODE']}", overwrite=True))
    same(template.type if isinstance(template.type, str) else template.type.value, "snapshot")
    assert template.name in [other.name for other in await call(client.snapshots.list())]
    assert template.name in [other.name for other in await call(client.snapshots.list(type="snapshot"))]
    await call(client.snapshots.delete(template.name))
    await call(client.capsules.destroy(one.id))


@check("capsules.stats")
async def client__stats(client):
    stats = await call(client.capsules.stats(range="1h"))
    assert stats.current.running_count >= 1, stats


@check("capsules.usage")
async def client__usage(client):
    usage = await call(client.capsules.usage())
    assert len(usage.points) >= 30, usage


@check("capsules.metrics")
async def client__metrics(client):
    one = await call(client.capsules.create(template="minimal"))

    async def measured():
        return len((await call(client.capsules.metrics(one.id, range="10m"))).points) > 0

    await until(measured)
    point = (await call(client.capsules.metrics(one.id))).points[0]
    assert point.mem_bytes > 0 and 0 <= point.cpu_pct <= 100, point
    await call(client.capsules.destroy(one.id))


@check("events.stream")
async def client__events(client):
    stream = client.events.stream()
    events = each(stream)
    same((await anext(events)).event.value, "connected")
    one = await call(client.capsules.create(template="minimal"))
    seen = []
    while not seen or seen[-1] != "capsule.create":
        event = await anext(events)
        if event.resource.id == one.id:
            seen.append(event.event.value)
    await call(client.capsules.destroy(one.id))
    await events.aclose()


async def until(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not await condition():
        if time.monotonic() > deadline:
            raise AssertionError("it did not come to be")
        await asyncio.sleep(0.2)


# The port proxy and the code runner


@check()
async def proxy__http(capsule):
    if not SYNC:
        return
    await call(capsule.files.write("/srv/www/page", "served"))
    await sh(capsule, "python3 -m http.server 8000 --bind 127.0.0.1 -d /srv/www", background=True)
    url = capsule.get_url(8000).replace("ws://", "http://")

    async def answers():
        return httpx.get(f"{url}/page", timeout=30).status_code == 200

    await until(answers, 60)
    same(httpx.get(f"{url}/page", timeout=30).text, "served")


async def code_runner():
    """Both names of the package, as far as this version has them."""
    for name in ("code_runner", "code_interpreter"):
        try:
            module = __import__(f"wrenn.{name}", fromlist=["Capsule", "AsyncCapsule"])
        except ImportError:
            print(f"{name}.run_code: absent")
            continue
        kind = module.Capsule if SYNC else module.AsyncCapsule
        try:
            async with entered(kind(wait=True) if SYNC else await kind.create(wait=True)) as capsule:
                began = time.monotonic()
                first = await call(capsule.run_code("x = 6 * 7\nprint('said')\nx"))
                took = time.monotonic() - began
                same((first.text, "".join(first.logs.stdout)), ("42", "said\n"))
                heard = []
                more = await call(capsule.run_code("print(x + 1); import sys; print('e', file=sys.stderr)", on_stdout=heard.append))
                same(("".join(heard), "".join(more.logs.stderr)), ("43\n", "e\n"))
                failed = await call(capsule.run_code("1 / 0"))
                same((failed.error.name, "ZeroDivisionError" in str(failed.error.traceback)), ("ZeroDivisionError", True))
                plot = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()"
                drawn = await call(capsule.run_code(plot, timeout=120))
                assert any(result.png for result in drawn.results), drawn
                table = await call(capsule.run_code("import pandas\npandas.DataFrame({'a': [1]})", timeout=120))
                assert any("<table" in (result.html or "") for result in table.results), table
            print(f"{name}.run_code: ok ({took:.1f} s to the first answer)")
        except Exception as error:
            print(f"{name}.run_code: {type(error).__name__}: {error}")


async def made(template):
    return Capsule(template=template, wait=True) if SYNC else await Capsule.create(template=template, wait=True)


async def main():
    if os.environ.get("ONLY") == "code":
        return await code_runner()
    async with entered(await made("base-python")) as capsule, entered(Client()) as client:
        for name, needs, function in checks:
            subject = client if name.startswith("client") else capsule
            try:
                for need in needs:
                    inspect_path(subject, need)
            except AttributeError:
                print(f"{name}: absent")
                continue
            began = time.monotonic()
            try:
                await asyncio.wait_for(function(subject), 90)
                outcome = "ok"
            except BaseException as error:
                outcome = f"{type(error).__name__}: {error}".replace("\n", " ")
            print(f"{name}: {outcome}")
            print(f"{name} took {time.monotonic() - began:.1f} s", file=sys.stderr)


def inspect_path(subject, path):
    for part in path.split("."):
        subject = getattr(subject, part)


# A call that hangs in a thread of its own ends the program all the same.
threading.Thread(target=lambda: (time.sleep(600), os._exit(9)), daemon=True).start()
asyncio.run(main())
sys.stdout.flush()
os._exit(0)
