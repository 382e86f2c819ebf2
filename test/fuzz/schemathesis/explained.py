"""Answers that a checker cannot foresee from the document, one by one; anything else that it finds wrong is a failure."""

import re

# A value that has the right form and is refused for what is true at that moment: operation, status, what the answer says.
REFUSED = [
    ("createKey", 400, "expires_at: must be in the future"),  # a form has no today
    ("createKey", 400, "expires_in and expires_at cannot be set both"),  # JSON Schema as we make it has no word for it
    ("createCapsule", 400, "network: the capsules of this server have no network"),  # the fake vmm gives none
    ("createCapsule", 400, "vcpus: must be at most"),  # a setting of the server
    ("createCapsule", 400, "memory_mb: must be"),  # the same, and what a kernel needs at least
    ("forkCapsule", 400, "network: the capsules of this server have no network"),
    ("exec", 400, "pty: a program with a terminal is not waited for"),  # depends on the header Accept
    ("readFile", 400, "is a directory"),  # depends on what is there, as all that follow
    ("streamReadFile", 400, "is a directory"),
    ("moveFile", 400, "cannot be moved to"),
    ("writeFile", 400, "is a directory"),
    ("streamWriteFile", 400, "is a directory"),
    ("listFiles", 400, "is not a directory"),
    ("makeDir", 400, "is not a directory"),
    ("writeTar", 400, "archive"),  # any bytes have the form, and few of them are one
    ("writeTar", 400, "is not a directory"),
    ("setNetwork", 400, "network: the capsules of this server have no network"),
]

# What is no request of the document's, and fine all the same.
ACCEPTED = {
    "writeStdin",  # no bytes are bytes, too
    "writeFile",  # a form has no types, and what comes twice counts once
    "streamWriteFile",
}

# A destroyed capsule can still be shown, and deleting it again is no error: the contract says so.
AFTER_FREE = {"getCapsule", "deleteCapsule", "capsuleMetrics"}

# 5xx on a host that is well and has room: operation, code, what the answer says.
FAULTS: list[tuple[str, str, str]] = []


def is_explained(check: str, operation: str, status: int, error: dict) -> bool:
    message = error.get("message", "")
    if status >= 500:
        return any(o == operation and c == error.get("code") and re.search(m, message) for o, c, m in FAULTS)
    if check == "use_after_free":
        return operation in AFTER_FREE
    if check == "negative_data_rejection":
        return operation in ACCEPTED
    if check == "ensure_resource_availability":
        # The capsule is there; it is something within it that is not.
        return "capsule" not in message
    return any(o == operation and s == status and m in message for o, s, m in REFUSED)
