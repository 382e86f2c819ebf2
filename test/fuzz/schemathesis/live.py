"""Things that exist, for requests whose made-up ids would only ever find nothing. What a request may use up is made anew."""

import json
import os
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable

URL, KEY = os.environ["FUZZ_URL"], os.environ["FUZZ_KEY"]
# How many of the capsules and templates that requests have made are kept: the latest. Each is promised memory.
KEPT = 24
# In seconds.
PATIENCE = 30

USES_UP = {"deleteCapsule", "pauseCapsule", "createSnapshot", "revokeKey", "deleteSnapshot", "deleteVersion"}
ENDS_PROGRAM = {"killProcess", "endStdin"}

capsules: deque[str] = deque()
templates: deque[str] = deque()
# What answers have told of and is still there.
made: set[str] = set()
_shared: dict[str, str] = {}


def ask(method: str, path: str, body: object = None):
    data = None if body is None else json.dumps(body).encode()
    headers = {"X-API-Key": KEY, "Content-Type": "application/json"}
    request = urllib.request.Request(URL + path, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=PATIENCE) as response:
        return json.loads(response.read() or b"null")


def keep_capsule(id: str) -> None:
    """Has it deleted when there are many others."""
    capsules.append(id)
    made.add(id)
    while len(capsules) > KEPT:
        made.discard(capsules[0])
        ask("DELETE", f"/v1/capsules/{capsules.popleft()}")


def keep_template(name: str) -> None:
    templates.append(name)
    made.add(name)
    while len(templates) > KEPT:
        made.discard(templates[0])
        try:
            ask("DELETE", f"/v1/snapshots/{templates.popleft()}")
        except urllib.error.HTTPError:
            pass  # A request has deleted it.


def _new_capsule() -> str:
    return ask("POST", "/v1/capsules", {})["id"]


def _one(kind: str, make: Callable[[], str]) -> str:
    """One of a kind, until a request has used it up."""
    if kind not in _shared:
        _shared[kind] = make()
    return _shared[kind]


def used(id: str) -> None:
    """Says that a request has used something up."""
    made.discard(id)
    for kind in [kind for kind, shared in _shared.items() if shared == id]:
        del _shared[kind]


def capsule(operation: str) -> str:
    """A capsule that runs; for a resume, one that is paused."""
    if operation == "resumeCapsule":
        return _one("paused capsule", _paused_capsule)
    return _one("doomed capsule" if operation in USES_UP else "capsule", _new_capsule)


def _paused_capsule() -> str:
    id = _new_capsule()
    ask("POST", f"/v1/capsules/{id}/pause")
    return id


def template(operation: str) -> str:
    """A template with two versions."""
    return _one("doomed template" if operation in USES_UP else "template", _new_template)


def _new_template() -> str:
    name = f"of-fuzz-{os.urandom(4).hex()}"
    for _ in range(2):
        wanted = {"sandbox_id": capsule("getCapsule"), "name": name, "keep_source": True}
        ask("POST", "/v1/snapshots?overwrite=true", wanted)
    return name


def key() -> str:
    return _one("key", lambda: ask("POST", "/v1/api-keys", {"scope": "read"})["id"])


def program(operation: str, id: str) -> str:
    """A program that reads; one with a terminal for its size; for its output one that ends, as other output has no end."""
    wanted = {"cmd": "cat", "stdin": True, "background": True}
    if operation == "resizeTerminal":
        wanted = {"cmd": "sizes", "pty": {"cols": 80, "rows": 24}, "background": True}
    if operation == "readOutput":
        wanted = {"cmd": "echo", "args": ["hello"], "background": True}
    kind = "doomed program" if operation in ENDS_PROGRAM else wanted["cmd"]
    return _one(f"{kind} in {id}", lambda: ask("POST", f"/v1/capsules/{id}/exec", wanted)["id"])


def file(id: str) -> str:
    """A file in a capsule, if that runs."""
    path = "/root/hello"
    try:
        ask("POST", f"/v1/capsules/{id}/exec", {"cmd": "put", "args": [path, "hello"]})
    except urllib.error.HTTPError:
        pass
    return path


def remove_all() -> None:
    """What is left, so that nothing is there in the end but what came with the server."""
    for one in ask("GET", "/v1/capsules"):
        ask("DELETE", f"/v1/capsules/{one['id']}")
    for one in ask("GET", "/v1/snapshots?type=snapshot"):
        ask("DELETE", f"/v1/snapshots/{one['name']}")
