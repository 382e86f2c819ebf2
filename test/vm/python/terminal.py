"""Runs a program in a pseudo-terminal, as a person would: STEPS says what is typed, and what is waited for before.

STEPS is JSON: [["wait", regex], ["type", text], ["size", columns, rows], ...]. Prints JSON: {"shown", "code"}.
"""

import fcntl
import json
import os
import pty
import re
import select
import struct
import sys
import termios
import time

PATIENCE = 60

pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])

shown = ""


def read(seconds):
    """Takes what is shown within so many seconds; false when nothing more will be."""
    global shown
    if not select.select([terminal], [], [], seconds)[0]:
        return True
    try:
        data = os.read(terminal, 65536)
    except OSError:
        return False
    shown += data.decode("utf-8", "replace")
    return data != b""


def size(columns, rows):
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def wait(pattern):
    """Waits until what was shown since the last wait says so."""
    global seen
    deadline = time.monotonic() + PATIENCE
    while not (found := re.search(pattern, shown[seen:], re.S)):
        if time.monotonic() > deadline or not read(1):
            raise SystemExit(f"{pattern!r} was not shown: {shown!r}")
    seen += found.end()


seen = 0
for what, *details in json.loads(os.environ["STEPS"]):
    if what == "size":
        size(*details)
    elif what == "type":
        os.write(terminal, details[0].encode())
    else:
        wait(details[0])
while read(PATIENCE):
    pass
code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
print(json.dumps({"shown": shown, "code": code}))
