"""Read what the test runner reports; the tested code may have forged it."""

import builtins
import json
import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from selfcritic.agent.errors import CheckerError
from selfcritic.agent.sandbox.run import SandboxResult

MAX_TEXT_CHARS = 400
"""Limit on the text of a finding."""

_MAX_NAME_CHARS = 100
_MAX_NUMBER_CHARS = 60

# Numbers, True, False, None, and containers of them.
_NUMBERS = re.compile(r"(?:[-+\d.eEj,:()\[\]{}\s]|True|False|None|inf|nan)*")


class Events:
    """The events that the runner reported; what is no event is taken for tampering."""

    def __init__(self, result: SandboxResult) -> None:
        self._result = result
        self._events: list[dict[str, Any]] = []
        self._is_tampered = False
        for line in result.stdout.splitlines():
            try:
                event = json.loads(line)
            except (ValueError, RecursionError):
                event = None
            if isinstance(event, dict):
                self._events.append(event)
            else:
                self._is_tampered = True
        if not self._events:
            reason = result.stderr[-MAX_TEXT_CHARS:] or "out of time"
            raise CheckerError(
                f"The sandbox did not start: {reason}. Raise `seconds` or `memory_mb`."
            )
        for event in self._events:
            if "unusable" in event:
                raise CheckerError(f"The tests cannot run in the sandbox: {event['unusable']}.")

    @property
    def num_run(self) -> int:
        """How many tests ran."""
        return sum(event["ran"] for event in self._events if type(event.get("ran")) is int)

    @property
    def is_trusted(self) -> bool:
        """Whether the code gave no verdict on one of its objects."""
        return self._events[-1].get("is_trusted") is True

    def failures(self, seconds: float) -> list[Mapping[str, Any]]:
        """Return the failed tests; an early end is a failure of the last test."""
        failures: list[Mapping[str, Any]] = []
        last_test: Mapping[str, Any] = {}
        ending = None
        for event in self._events:
            if "failed" in event:
                failures.append(event["failed"])
            elif "test" in event:
                last_test = event
            elif "exited" in event:
                ending = _describe_exit(event["exited"])
            self._is_tampered |= "tampered" in event
        if "done" not in self._events[-1]:
            ending = _describe_exit(self._result.returncode)
            if self._result.timed_out:
                ending = f"does not end within {seconds:g} seconds"
        if self._is_tampered:
            ending = "tampers with the results of the tests"
        if ending is not None:
            failures.append({**last_test, "ending": ending})
        return failures


@dataclass(frozen=True)
class Failure:
    """A failed test, reduced to what a finding may contain."""

    test: str
    row: int | None
    error: str
    text: str

    @classmethod
    def parse(cls, record: object, result: SandboxResult) -> "Failure":
        """Read a record, which the code may have forged."""
        if not isinstance(record, dict):
            record = {}
        test = str(record.get("test", ""))[:MAX_TEXT_CHARS]
        row = record.get("row")
        row = row if type(row) is int and row > 0 else None
        if "ending" in record:
            return cls(test, row, "", record["ending"])
        error = str(record.get("error", ""))[:_MAX_NAME_CHARS]
        text = str(record.get("text", ""))[:MAX_TEXT_CHARS]
        values = _read_values(record.get("values"))
        if result.isolation == "none":
            is_builtin = isinstance(vars(builtins).get(error), type)
            error = error if is_builtin else "an exception"
            text = ""
            values = [(source, _hide_text(value)) for source, value in values]
        if values:
            text = ", ".join(f"{source} is {value}" for source, value in values)
        return cls(test, row, error or "an exception", text)


def _read_values(values: object) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    if isinstance(values, list):
        for pair in values:
            if isinstance(pair, list) and len(pair) == 2:
                pairs.append((str(pair[0]), str(pair[1])))
    return pairs


def _hide_text(value: str) -> str:
    is_number = len(value) <= _MAX_NUMBER_CHARS and _NUMBERS.fullmatch(value)
    return value if is_number else "something else"


def _describe_exit(code: object) -> str:
    number = code if isinstance(code, int) else 0
    if number - 128 in set(signal.Signals):
        return f"is killed by the signal {signal.Signals(number - 128).name}"
    return f"ends the process with exit code {number}"
