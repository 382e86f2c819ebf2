"""What schemathesis is told of this server: ids of things that exist, what is fine all the same, and what to count."""

import atexit
import json
import os
import random
import re
from collections import Counter

import requests
import schemathesis
from schemathesis import Case, CheckContext, HookContext, Response

import explained
import live

CAPSULE_ID = re.compile(r"cl-[0-9a-z]{25}\Z")
KEY_ID = re.compile(r"key-[0-9a-z]{25}\Z")
NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}\Z")
# More forks take long and show nothing else.
MOST_FORKS = 5
# Programs of the fake guest that end, each with its arguments.
PROGRAMS = [("echo", ["hello"]), ("false", []), ("exit", ["3"]), ("bytes", ["fffe00"]), ("complain", ["no"])]

answers: dict[str, Counter] = {}
slowest: dict[str, float] = {}
chance = random.Random(1)


def name_of(case: Case) -> str:
    return case.operation.definition.raw["operationId"]


def fits(value: object, form: re.Pattern) -> bool:
    return isinstance(value, str) and form.match(value) is not None and value not in live.made


@schemathesis.hook
def before_call(context: HookContext, case: Case, kwargs: dict) -> None:
    """Well-formed ids become those of things that exist, unless this run has been given them by the server."""
    operation, given = name_of(case), case.path_parameters or {}
    if fits(given.get("id"), KEY_ID):
        given["id"] = live.key()
    if fits(given.get("id"), CAPSULE_ID):
        given["id"] = live.capsule(operation)
        if fits(given.get("selector"), NAME):
            given["selector"] = live.program(operation, given["id"])
    if fits(given.get("name"), NAME):
        given["name"] = live.template(operation)
        if "version" in given and str(given["version"]).isdigit():
            given["version"] = 1
    if isinstance(case.body, dict) and (case.meta is None or case.meta.generation.mode.is_positive):
        fill_body(operation, str(given.get("id")), case.body)
    if operation == "writeTar" and "path" in (case.query or {}) and sometimes():
        case.query["path"] = "/root/unpacked"
    # One that was used before only ever conflicts: most are new.
    headers = case.headers or {}
    if re.fullmatch("[!-~]{1,200}", str(headers.get("Idempotency-Key", ""))) and chance.random() < 0.8:
        headers["Idempotency-Key"] += f"-{chance.getrandbits(64)}"


def sometimes() -> bool:
    """Every second time, on average."""
    return chance.random() < 0.5


def fill_body(operation: str, id: str, body: dict) -> None:
    if isinstance(body.get("network"), dict) and sometimes():
        body["network"] = None  # There is none on the fake vmm.
    if operation == "setNetwork" and sometimes():
        body.update(internet=False, allow=[], deny=[])
    for field in ("path", "from"):
        if isinstance(body.get(field), str) and body[field] and sometimes():
            body[field] = "/root" if operation == "listFiles" else live.file(id)
    # The other one that there is, until that has succeeded: a short run makes very few of these.
    if operation == "rollbackSnapshot" and ("200" not in answers.get(operation, ()) or sometimes()):
        body["version"] = 1
    if operation == "exec" and sometimes():
        body.update(pty=None, cwd=None)
    if operation == "createSnapshot" and fits(body.get("sandbox_id"), CAPSULE_ID):
        body["sandbox_id"] = live.capsule(operation)
    if operation == "createCapsule" and fits(body.get("template"), NAME):
        body["template"] = "minimal"
    if operation == "forkCapsule" and type(body.get("count")) is int:
        body["count"] = min(body["count"], MOST_FORKS)
    if operation == "exec" and fits(body.get("cmd"), NAME):
        body["cmd"], body["args"] = PROGRAMS[len(body["cmd"]) % len(PROGRAMS)]


@schemathesis.hook
def after_call(context: HookContext, case: Case, response: Response) -> None:
    operation = name_of(case)
    answers.setdefault(operation, Counter())[str(response.status_code)] += 1
    slowest[operation] = max(slowest.get(operation, 0), response.elapsed)
    if response.status_code == 201:
        remember(operation, response.json())
    if response.status_code < 300 and operation in live.USES_UP | live.ENDS_PROGRAM | {"resumeCapsule"}:
        body = case.body if isinstance(case.body, dict) else {}
        for one in [*(case.path_parameters or {}).values(), body.get("sandbox_id")]:
            live.used(one)


def remember(operation: str, body: dict | list) -> None:
    for one in body if isinstance(body, list) else [body]:
        if operation in ("createCapsule", "forkCapsule"):
            live.keep_capsule(one["id"])
        if operation == "createSnapshot":
            live.keep_template(one["name"])
        if operation == "createKey":
            live.made.add(one["id"])


@schemathesis.hook
def after_network_error(context: HookContext, case: Case, request: requests.PreparedRequest) -> None:
    answers.setdefault(name_of(case), Counter())["none"] += 1


def error_in(response: Response) -> dict:
    try:
        return response.json()["error"]
    except (ValueError, KeyError, TypeError):
        return {}


@schemathesis.hook
def filter_failure(context: HookContext, failure, case: Case, response: Response) -> bool:
    checks = getattr(failure, "checks", ()) or ("",)
    return not explained.is_explained(checks[0], name_of(case), response.status_code, error_in(response))


@schemathesis.check
def error_form(ctx: CheckContext, response: Response, case: Case) -> None:
    """Every refusal is one of the table, and can be found in the log by its request's id."""
    if response.status_code < 400 or case.method == "HEAD":
        return
    ids = response.headers.get("x-request-id", [])
    assert ids and error_in(response).get("request_id") == ids[0], "an error without its request's id"


@schemathesis.serializer("application/x-tar")
def as_it_is(ctx, value):
    """Also an archive, of which few are made by chance."""
    if sometimes():
        return bytes(1024)
    return value if isinstance(value, bytes) else json.dumps(value).encode()


@atexit.register
def report() -> None:
    live.remove_all()
    with open(os.environ["FUZZ_REPORT"], "w") as file:
        json.dump({one: {"answers": counts, "slowest": slowest.get(one, 0)} for one, counts in answers.items()}, file)
