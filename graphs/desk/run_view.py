"""Show a finished run: its drafts as differences, and its critiques with their scores."""

import json
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from selfcritic.agent.errors import InputError, format_validation_error
from selfcritic.agent.schemas import Critique, Round
from selfcritic.agent.state import Output
from selfcritic.graphs.diff import diff_lines

_OUTPUT = TypeAdapter(Output)


class RunView:
    """The result of a run, as `selfcritic run --json` prints it."""

    def __init__(self, output: Output) -> None:
        self._output = output

    @classmethod
    def read(cls, path: Path) -> "RunView":
        """Read the result of a run.

        Raises:
            InputError: The file is not such a result.
        """
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, RecursionError):
            raise InputError(
                f"--run: {path} is not JSON. Pass what `selfcritic run --json` printed."
            ) from None
        try:
            output = _OUTPUT.validate_python(data)
        except ValidationError as error:
            problem = format_validation_error(error, "run", limit=2)
            raise InputError(f"--run: {path} is not the result of a run: {problem}") from None
        if not output.get("rounds"):
            raise InputError(
                f"--run: {path} has no rounds. Pass what `selfcritic run --json` printed."
            )
        return cls(output)

    def describe(self) -> dict[str, Any]:
        """Return all that the page shows of the run."""
        rounds = self._output["rounds"]
        described = []
        previous: str | None = None
        for number, each in enumerate(rounds):
            described.append(self._describe_round(number, each, previous))
            previous = each.answer
        usage = self._output.get("usage")
        return {
            "answer": self._output.get("answer", ""),
            "stop_reason": self._output.get("stop_reason"),
            "error": self._output.get("error"),
            "calls": usage.calls if usage else None,
            "tokens": usage.input_tokens + usage.output_tokens if usage else None,
            "rounds": described,
        }

    def _describe_round(self, number: int, each: Round, previous: str | None) -> dict[str, Any]:
        return {
            "number": number,
            "is_best": number == self._output.get("best_round"),
            "answer": each.answer,
            "p_critiqueable": each.p_critiqueable,
            "diff": [] if previous is None else list_changes(previous, each.answer),
            "findings": [comment.model_dump(mode="json") for comment in each.findings],
            "critiques": [_describe_critique(critique) for critique in each.critiques],
        }


def list_changes(before: str, after: str) -> list[dict[str, Any]]:
    """Return the lines of a difference: a marker, the text, and the changed words' offsets."""
    lines = []
    for line in diff_lines(before, after).split("\n"):
        words = []
        for span in line.spans:
            if "bold" in str(span.style):
                words.append((max(0, span.start - 2), span.end - 2))
        lines.append({"marker": line.plain[:1], "text": line.plain[2:], "words": words})
    return lines


def _describe_critique(critique: Critique) -> dict[str, Any]:
    return {
        "selected": critique.selected,
        "helpfulness": critique.helpfulness,
        "reward": critique.reward,
        "iteration": critique.iteration,
        "comments": [comment.model_dump(mode="json") for comment in critique.comments],
        "ungrounded": [comment.model_dump(mode="json") for comment in critique.ungrounded],
        "unparsed": critique.unparsed,
    }
