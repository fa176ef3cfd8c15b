"""Show a run as it happens: drafts, probabilities, critiques, the chosen quote in its draft, the mend as a diff.

One console serves both a terminal (colours, a spinner while a node works) and a pipe (plain lines).
"""

import difflib
import itertools
from collections import Counter
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.status import Status
from rich.text import Text

from selfcritic.agent.critic.selection import selected_critique
from selfcritic.agent.schemas import Comment, Critique, Round, StopReason, Usage
from selfcritic.agent.state import State

_WORKING = {
    "generate": "judging the draft …",
    "classify": "looking for flaws …",
    "critique": "choosing a critique …",
    "fsbs": "mending …",
    "select": "mending …",
    "refine": "judging the draft …",
}
"""What goes on behind each node's update, while the loop goes on."""

_ENDINGS: dict[StopReason, str] = {
    "accepted": "accepted: no flaw is likely to be left",
    "no_helpful_critique": "no helpful critique was found",
    "max_rounds": "all refinements allowed are used",
    "plateau": "the last refinements brought nothing",
    "repeated_answer": "the refinement repeats an earlier draft",
    "budget": "the budget is spent",
    "model_error": "a model failed",
    "stop_when": "the stop rule given says so",
    "checker_error": "a checker failed",
    "reviewed": "reviewed",
    "interrupted": "interrupted",
}


class Trace:
    """Prints each node's update to a console; use it as a context manager around a run."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status: Status = console.status("drafting …")
        self._error: str | None = None

    def __enter__(self) -> Self:
        self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._status.stop()

    def show(self, node: str, update: State) -> None:
        """Print what a node did."""
        rounds = update.get("rounds", [])
        self._error = update.get("error") or self._error
        if node == "generate":
            self._heading("Draft 0", f"the first of {len(rounds[0].candidates)}" if rounds[0].candidates else "")
            self._indented(Text(rounds[-1].answer))
        elif node == "classify":
            self._judgement(rounds, update["best_round"])
        elif node in ("select", "fsbs"):
            self._critiques(rounds[-1])
        elif node == "refine" and rounds:
            self._heading(f"Draft {len(rounds) - 1}")
            self._indented(diff(rounds[-2].answer, rounds[-1].answer))
        self._status.update(_WORKING[node])

    def end(self, stop_reason: StopReason | None, best: int, usage: Usage) -> None:
        """Print why the run stopped, the failure's own words, which draft comes back, and what was spent."""
        self._status.stop()
        why = _ENDINGS.get(stop_reason, stop_reason) if stop_reason else "unfinished"
        self._heading("Stopped", f"{why}; the answer is draft {best}")
        if self._error is not None:
            self._indented(Text(self._error, style="red"))
        tokens = f"{usage.input_tokens:,} tokens in, {usage.output_tokens:,} out"
        self._indented(Text(f"{usage.calls} calls, {tokens}", style="dim"))

    def _judgement(self, rounds: Sequence[Round], best: int) -> None:
        draft = rounds[-1]
        if draft.candidates:
            shares = ", ".join(_number(candidate.p_critiqueable) for candidate in draft.candidates)
            self._line(f"the least critiqueable of {shares}:")
            self._indented(Text(draft.answer))
        for finding in draft.findings:
            self._indented(Text.assemble((f"{finding.source} ", "bold"), " ".join(finding.text.split())))
        also = "" if best == len(rounds) - 1 else f" (draft {best} is still the best)"
        judged = "not judged" if draft.p_critiqueable is None else f"P(critiqueable) {_number(draft.p_critiqueable)}"
        by = f", by {draft.judged_by}" if draft.judged_by else ""
        self._line(f"{judged}{by}{also}")

    def _critiques(self, draft: Round) -> None:
        self._heading(f"{len(draft.critiques)} critiques", "P(helpful) before each")
        for text, count in Counter(map(_summary, sorted(draft.critiques, key=_rank))).items():
            self._indented(Text(text + (f"  (×{count})" if count > 1 else "")))
        followed = selected_critique(draft.critiques)
        if followed is not None:
            self._heading("Chosen")
            self._indented(marked(draft.answer, followed.comments, plain=not self._console.is_terminal))
            for comment in followed.comments:
                self._indented(Text.assemble("→ ", comment.text))

    def _heading(self, title: str, rest: str = "") -> None:
        self._console.print(Text.assemble(("● " + title, "bold"), (f"  {rest}" if rest else "", "dim")))

    def _line(self, text: str) -> None:
        self._indented(Text(text, style="dim"))

    def _indented(self, text: Text) -> None:
        for line in text.split(allow_blank=True):
            self._console.print(Text("  ") + line, soft_wrap=True)


def marked(answer: str, comments: Sequence[Comment], plain: bool) -> Text:
    """The answer with every quoted span marked: by colour, or »so« in plain text."""
    quoted = {at for c in comments if c.start is not None and c.end is not None for at in range(c.start, c.end)}
    text = Text()
    for is_quoted, offsets in itertools.groupby(range(len(answer)), quoted.__contains__):
        part = "".join(answer[at] for at in offsets)
        text.append(f"»{part}«" if is_quoted and plain else part, "black on yellow" if is_quoted and not plain else "")
    return text


def diff(before: str, after: str) -> Text:
    """What was taken out and what was put in, line by line."""
    styles = {"- ": "red", "+ ": "green", "  ": "dim"}
    lines = [line for line in difflib.ndiff(before.splitlines(), after.splitlines()) if line[:2] in styles]
    return Text("\n").join(Text(line, style=styles[line[:2]]) for line in lines)


def _rank(critique: Critique) -> tuple[bool, float]:
    """The selected one first, then the most helpful."""
    return not critique.selected, -(critique.helpfulness or 0.0)


def _summary(critique: Critique) -> str:
    said = (
        " / ".join(comment.text for comment in critique.comments) or critique.unparsed or "quotes nothing that is there"
    )
    dropped = f"  ({len(critique.ungrounded)} invented quotes dropped)" if critique.ungrounded else ""
    return f"{_number(critique.helpfulness)}  {' '.join(said.split())}{dropped}"


def _number(value: float | None) -> str:
    return " –  " if value is None else f"{value:.2f}"
