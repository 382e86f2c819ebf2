"""An extension of the Jupyter server: POST /wrenn/run runs a cell and answers with lines of JSON as the kernel speaks.

Asked: {"code", "kernel"?: the name of its kernelspec, "timeout_sec"?: 30, "store_history"?: true}.

Answered, one a line: {"type": "stdout" | "stderr", "text"}, {"type": "result", "main": whether it is the value of the last
expression, "data": a MIME bundle}, {"type": "error", "name", "value", "traceback"}, at last {"type": "end",
"execution_count", "timed_out"}; or {"type": "refused", "message"} alone. A cell is interrupted when its time is over, and
when the client goes away.
"""

import asyncio
import json
import os
import threading

import zmq.asyncio
from jupyter_client.kernelspec import NoSuchKernel
from jupyter_server.utils import ensure_async
from tornado.ioloop import IOLoop
from tornado.iostream import StreamClosedError
from tornado.web import RequestHandler

DEFAULT_KERNEL = "wrenn"
DEFAULT_TIMEOUT_SEC = 30
# How long a kernel may take to answer for the first time.
CONNECT_SEC = 300
# How long a cell may take to end once it was interrupted.
SETTLE_SEC = 5
# Says "ready" to the one who opens it once the first kernel answers.
READY = "/run/wrenn-code-runner"


class Kernel:
    """One kernel, and a connection to it that stays: making one costs more than running most cells."""

    def __init__(self, manager, kernel_id):
        self._manager = manager
        self._id = kernel_id
        self._turn = asyncio.Lock()
        self._client = None
        self.lost = asyncio.get_running_loop().create_future()

    async def connect(self):
        context = zmq.asyncio.Context.instance()
        # Of output nothing is dropped, however far the client lags behind.
        context.rcvhwm = 0
        self._client = self._manager.get_kernel(self._id).client(context=context)
        self._client.start_channels(stdin=False, hb=False)
        for event in ("restart", "dead"):
            self._manager.add_restart_callback(self._id, self._lose, event)
        await self._client.wait_for_ready(timeout=CONNECT_SEC)

    def close(self):
        for event in ("restart", "dead"):
            self._manager.remove_restart_callback(self._id, self._lose, event)
        self._client.stop_channels()

    def _lose(self):
        if not self.lost.done():
            self.lost.set_result(None)

    async def run(self, cell, send):
        """Runs a cell, after those that came before it, and sends what the kernel says."""
        async with self._turn:
            await self._drain()
            run = Run(cell, send)
            run.id = self._client.execute(
                cell["code"],
                store_history=cell["store_history"],
                allow_stdin=False,
                stop_on_error=False,
            )
            try:
                if not await self._follow(run, cell["timeout_sec"]):
                    run.timed_out = True
                    await self._interrupt(run)
            except (asyncio.CancelledError, StreamClosedError):
                run.send = None
                await self._interrupt(run)
                raise
            await run.end(lost=self.lost.done())

    async def _interrupt(self, run):
        await ensure_async(self._manager.interrupt_kernel(self._id))
        await self._follow(run, SETTLE_SEC)

    async def _follow(self, run, seconds):
        """Takes messages until the cell has ended or the kernel is lost; False when the time is over."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while True:
            receiving = asyncio.ensure_future(self._client.get_iopub_msg(timeout=None))
            try:
                left = max(0, deadline - loop.time())
                await asyncio.wait({receiving, self.lost}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
                if not receiving.done():
                    return self.lost.done()
                if await run.take(receiving.result()):
                    return True
            finally:
                receiving.cancel()

    async def _drain(self):
        """Forgets what other clients' cells have said meanwhile, and the replies that nobody reads."""
        for channel in (self._client.iopub_channel, self._client.shell_channel):
            while await channel.msg_ready():
                await channel.get_msg(timeout=0)


class Run:
    """One cell that runs."""

    def __init__(self, cell, send):
        self.cell = cell
        self.send = send
        self.id = None
        self.timed_out = False
        self.count = None
        self.failed = False

    async def take(self, message):
        """Sends on what a message says; True when it is the end of the cell."""
        if message["parent_header"].get("msg_id") != self.id:
            return False
        kind, content = message["msg_type"], message["content"]
        if kind == "status":
            return content["execution_state"] == "idle"
        if kind == "execute_input":
            self.count = content["execution_count"]
        elif kind == "stream":
            await self._say(type=content["name"], text=content["text"])
        elif kind in ("execute_result", "display_data"):
            await self._say(type="result", main=kind == "execute_result", data=content["data"])
        elif kind == "error":
            name, value = ("Timeout", self._late()) if self.timed_out else (content["ename"], content["evalue"])
            await self._fail(name, value, "\n".join(content["traceback"]))
        return False

    async def end(self, lost):
        if lost:
            await self._fail("KernelDied", "The kernel ended while the cell ran. A new one begins without its variables.")
        elif self.timed_out and not self.failed:
            await self._fail("Timeout", self._late())
        count = self.count if self.cell["store_history"] else None
        await self._say(type="end", execution_count=count, timed_out=self.timed_out)

    async def _fail(self, name, value, traceback=""):
        self.failed = True
        await self._say(type="error", name=name, value=value, traceback=traceback)

    def _late(self):
        return f"The cell took longer than {self.cell['timeout_sec']} s and was interrupted."

    async def _say(self, **line):
        if self.send:
            await self.send(line)


class Kernels:
    """The kernels in which cells run, by their ids."""

    def __init__(self, manager):
        self._manager = manager
        self._known = {}
        self._finding = asyncio.Lock()

    async def get(self, name):
        """The first kernel of a kernelspec, as clients of Jupyter choose it; started where there is none."""
        async with self._finding:
            running = {one["id"]: one["name"] for one in self._manager.list_kernels()}
            for kernel_id in [one for one, kernel in self._known.items() if one not in running or kernel.lost.done()]:
                self._known.pop(kernel_id).close()
            kernel_id = next((one for one, its_name in running.items() if its_name == name), None)
            if kernel_id is None:
                self._manager.kernel_spec_manager.get_kernel_spec(name)
                kernel_id = await ensure_async(self._manager.start_kernel(kernel_name=name))
            if kernel_id not in self._known:
                self._known[kernel_id] = await self._connect(kernel_id)
            return self._known[kernel_id]

    async def _connect(self, kernel_id):
        kernel = Kernel(self._manager, kernel_id)
        try:
            await kernel.connect()
            return kernel
        except BaseException:
            kernel.close()
            raise


class RunHandler(RequestHandler):
    def initialize(self, kernels):
        self._kernels = kernels
        self._running = None

    def check_xsrf_cookie(self):
        pass

    async def post(self):
        self.set_header("Content-Type", "application/x-ndjson")
        asked = json.loads(self.request.body)
        cell = {
            "code": asked["code"],
            "timeout_sec": asked.get("timeout_sec", DEFAULT_TIMEOUT_SEC),
            "store_history": asked.get("store_history", True),
        }
        name = asked.get("kernel") or DEFAULT_KERNEL
        self._running = asyncio.ensure_future(self._run(name, cell))
        try:
            await self._running
        except (asyncio.CancelledError, StreamClosedError):
            pass

    def on_connection_close(self):
        if self._running:
            self._running.cancel()

    async def _run(self, name, cell):
        try:
            kernel = await self._kernels.get(name)
        except NoSuchKernel:
            return await self._send({"type": "refused", "message": f'There is no kernel "{name}".'})
        await kernel.run(cell, self._send)

    async def _send(self, line):
        self.write(json.dumps(line) + "\n")
        await self.flush()


def _jupyter_server_extension_points():
    return [{"module": "wrenn_code_runner"}]


def _load_jupyter_server_extension(app):
    async def begin():
        kernels = Kernels(app.kernel_manager)
        app.web_app.add_handlers(".*$", [("/wrenn/run", RunHandler, {"kernels": kernels})])
        try:
            await kernels.get(DEFAULT_KERNEL)
            said = "ready"
        except Exception as error:
            app.log.exception("the first kernel did not start")
            said = f"the first kernel did not start: {error}"
        # Opening it waits for a reader, which there is when the template is made, and never again.
        threading.Thread(target=_tell, args=(said,), daemon=True).start()

    IOLoop.current().add_callback(begin)


def _tell(text):
    try:
        os.mkfifo(READY, 0o600)
    except FileExistsError:
        pass
    with open(READY, "w") as fifo:
        fifo.write(text + "\n")
