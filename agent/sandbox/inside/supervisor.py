"""Run tests on code, and report the results over a channel that the code does not have.

The code runs in a worker process that has two pipes and no other open file. In the mode "separate", the tests run in
this process, which calls the code through the pipes. In the mode "together" the worker runs the tests itself, since
they need the code in the same process.

Stdin has a line of JSON, and stdout gets one for each event: `test` before a test, `failed`, `unusable`, `exited`,
`tampered`, `ran` and `done`.
"""

import io
import json
import os
import sys
from collections.abc import Mapping
from typing import Any, BinaryIO

from selfcritic.agent.sandbox.inside.code_names import RemoteModule, visible_names
from selfcritic.agent.sandbox.inside.codec import allow_long_numbers, dump
from selfcritic.agent.sandbox.inside.engine import describe_failure, run_tests
from selfcritic.agent.sandbox.inside.remote import (
    CodeExited,
    RemoteCode,
    Tampered,
    Unsupported,
    discard_streams,
    start_process,
)
from selfcritic.agent.sandbox.inside.system_calls import PR_SET_DUMPABLE, prctl
from selfcritic.agent.sandbox.inside.worker import Server

_EVENT_KEYS = {"test", "row", "failed", "unusable", "ran"}
_FAILURE_KEYS = {"test", "error", "text", "values", "row"}


def main() -> None:
    """Run the tests that stdin describes, and end the process."""
    allow_long_numbers()
    # The worker starts before this process knows the tests. A fork copies all memory.
    code = start_process(_serve)
    if sys.platform == "linux":
        prctl(PR_SET_DUMPABLE, 0)  # the worker can neither trace this process nor open its files
    options = json.loads(sys.stdin.buffer.readline())
    channel = os.fdopen(os.dup(1), "wb", buffering=0)
    discard_streams()
    sys.stdin = io.StringIO()
    sys.stdout = io.StringIO()
    sys.path += options["packages"]

    def report(event: Mapping[str, Any]) -> None:
        channel.write(dump(event))

    try:
        _run(code, options, report)
    except CodeExited as exited:
        report({"exited": exited.returncode})
    except Tampered:
        report({"tampered": True})
    except Unsupported as error:
        report({"unusable": str(error)})
    report({"done": True, "is_trusted": code.is_trusted})
    os._exit(0)


def _serve(requests: BinaryIO, replies: BinaryIO) -> None:
    Server(requests, replies).serve()


def _run(code: RemoteCode, options: Mapping[str, Any], report: Any) -> None:
    report({"test": "", "row": None})
    try:
        names = code.load(options["code"], options["packages"])
    except (CodeExited, Tampered):
        raise
    except BaseException as error:  # noqa: BLE001 - every error is a result
        report({"failed": describe_failure("", error, None)})
        report({"ran": 0})
        return
    if options["mode"] == "separate":
        visible = visible_names(options, names)
        public = [name for name, value in names.items() if visible.get(name) is value]
        module = RemoteModule(code.read, public)
        run_tests(options, names, module, report)
        return
    event: Any = None
    for event in code.run_tests(options):
        _check_event(event)
        report(event)
    if event is None or "ran" not in event:
        raise Tampered


def _check_event(event: Any) -> None:
    """Raise Tampered if the event is not one of a worker."""
    if not isinstance(event, dict) or not event.keys() <= _EVENT_KEYS:
        raise Tampered
    failure = event.get("failed")
    if failure is not None and (not isinstance(failure, dict) or failure.keys() != _FAILURE_KEYS):
        raise Tampered
