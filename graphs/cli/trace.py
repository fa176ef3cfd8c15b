"""Print a run as it progresses: drafts, probabilities, critiques and diffs.

A terminal gets colors and a spinner, a pipe plain lines.
"""

import itertools
from collections import Counter
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.status import Status
from rich.text import Text

from selfcritic.agent.critic.selection import count_ungrounded, selected_critique
from selfcritic.agent.schemas import Comment, Critique, Round, StopReason, Usage
from selfcritic.agent.state import State
from selfcritic.graphs.cli.progress import RequestProgress
from selfcritic.graphs.cli.terminal import print_words, wrap_words
from selfcritic.graphs.control_characters import escape_lines
from selfcritic.graphs.diff import diff_lines

_SPINNER_TEXT = {
    "generate": "judging the draft",
    "classify": "looking for flaws",
    "critique": "selecting a critique",
    "fsbs": "refining",
    "select": "refining",
    "refine": "judging the draft",
}
"""Message after each node: what usually runs next."""

_STOP_REASON_TEXT: dict[StopReason, str] = {
    "accepted": "accepted: no flaws are likely to remain",
    "no_helpful_critique": "no critique was helpful enough",
    "max_rounds": "the maximum number of refinements is reached",
    "plateau": "the last refinements were no improvement",
    "repeated_answer": "the refinement repeats an earlier draft",
    "budget": "the budget is spent",
    "model_error": "a model failed",
    "judge_unreadable": "the judge's replies are not Yes or No",
    "truncated": "the refinement was cut off at its length limit",
    "stop_when": "the stop condition is met",
    "step_limit": "LangGraph's recursion_limit is reached",
    "invalid_input": "the input is not valid",
    "checker_error": "a checker failed",
    "scorer_error": "a scorer failed",
    "reviewed": "reviewed",
    "interrupted": "interrupted",
}

_TRUNCATED = "cut off at its length limit"
_MAX_LINE_CHARS = 300


class Trace:
    """Context manager that prints each node's update during a run."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.progress = RequestProgress(lambda text: print_words(console, Text(text, "yellow")))
        """Callback handler of the run."""
        self._status: Status = console.status(self.progress)
        self._error: str | None = None
        self._has_usable_critiques = True

    def __enter__(self) -> Self:
        self._status.start()
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.progress.stop()
        self._status.stop()

    def show(self, node: str, update: State) -> None:
        """Print one node's update."""
        rounds = update.get("rounds", [])
        self._error = update.get("error") or self._error
        if node == "generate":
            self._print_first_draft(rounds)
        elif node == "classify":
            self._print_judgment(rounds, update["best_round"])
        elif node in ("select", "fsbs"):
            self._print_critiques(rounds[-1])
        elif node == "refine" and rounds:
            previous, current = rounds[-2:]
            note = _TRUNCATED if current.is_truncated else ""
            self._print_heading(f"Draft {len(rounds) - 1}", note)
            self._print_indented(diff_lines(previous.answer, current.answer))
        if update.get("stop_reason") is not None:
            self._status.stop()
        else:
            self.progress.start_step(_SPINNER_TEXT[node])

    def end(self, stop_reason: StopReason | None, best: int, usage: Usage) -> None:
        """Print the stop reason, returned draft, error and usage."""
        self.progress.stop()
        self._status.stop()
        reason = "unfinished"
        if stop_reason is not None:
            reason = _STOP_REASON_TEXT.get(stop_reason, stop_reason)
        if stop_reason == "no_helpful_critique" and not self._has_usable_critiques:
            reason = "no critique quoted the draft"
        self._print_heading("Stopped", f"{reason}; the answer is draft {best}")
        if self._error is not None:
            self._print_indented(Text(escape_lines(self._error), style="red"))
        self._print_dim(format_usage(usage))

    def _print_first_draft(self, rounds: Sequence[Round]) -> None:
        num_candidates = len(rounds[0].candidates)
        note = ""
        if num_candidates:
            note = f"the first of {num_candidates}"
        if rounds[0].is_truncated:
            note = f"{note}, {_TRUNCATED}".removeprefix(", ")
        self._print_heading("Draft 0", note)
        self._print_indented(Text(escape_lines(rounds[-1].answer)))

    def _print_judgment(self, rounds: Sequence[Round], best: int) -> None:
        draft = rounds[-1]
        if draft.candidates:
            numbers = [_format_number(candidate.p_critiqueable) for candidate in draft.candidates]
            self._print_dim(f"the least critiqueable of {', '.join(numbers)}:")
            self._print_indented(Text(escape_lines(draft.answer)))
        for finding in draft.findings:
            text = Text()
            text.append(f"{finding.source} ", "bold")
            text.append(_on_one_line(finding.text))
            self._print_indented(text)
        line = "not judged"
        if draft.p_critiqueable is not None:
            number = _format_number(draft.p_critiqueable)
            line = f"P(critiqueable) {number}, the probability of a flaw"
        if draft.judged_by:
            line += f", by {draft.judged_by}"
        if draft.votes_read is not None and draft.votes_read != draft.votes:
            line += f" ({draft.votes_read} of {draft.votes} votes were readable)"
        if best != len(rounds) - 1:
            line += f" (draft {best} is still the best)"
        self._print_dim(line)

    def _print_critiques(self, draft: Round) -> None:
        num_ungrounded = count_ungrounded(draft.critiques)
        self._has_usable_critiques = num_ungrounded < len(draft.critiques)
        note = "P(helpful) first"
        if num_ungrounded:
            note += f"; {num_ungrounded} quoted nothing in the draft"
        self._print_heading(f"{len(draft.critiques)} critiques", note)
        ordered = sorted(draft.critiques, key=_display_order)
        counts = Counter(_summarize(critique) for critique in ordered)
        for summary, count in counts.items():
            if count > 1:
                summary += f"  (×{count})"
            self._print_indented(Text(summary))
        selected = selected_critique(draft.critiques)
        if selected is None:
            return
        self._print_heading("Selected")
        is_plain = not self._console.is_terminal
        self._print_indented(mark_quotes(draft.answer, selected.comments, is_plain))
        for comment in selected.comments:
            self._print_indented(Text.assemble("→ ", escape_lines(comment.text)))

    def _print_heading(self, title: str, note: str = "") -> None:
        heading = Text()
        heading.append(f"● {title}", "bold")
        if note:
            heading.append(f"  {note}", "dim")
        self._console.print(heading)

    def _print_dim(self, text: str) -> None:
        self._print_indented(Text(text, style="dim"))

    def _print_indented(self, text: Text) -> None:
        for line in text.split(allow_blank=True):
            for part in wrap_words(line, self._console, indent=2):
                self._console.print(Text("  ") + part, soft_wrap=True)


def mark_quotes(answer: str, comments: Sequence[Comment], is_plain: bool) -> Text:
    """Mark quoted spans of an answer with » and «, or with color; escape control characters."""
    quoted_offsets: set[int] = set()
    for comment in comments:
        if comment.start is not None and comment.end is not None:
            quoted_offsets.update(range(comment.start, comment.end))
    text = Text()
    for is_quoted, offsets in itertools.groupby(range(len(answer)), quoted_offsets.__contains__):
        span = escape_lines("".join(answer[offset] for offset in offsets))
        if not is_quoted:
            text.append(span)
        elif is_plain:
            text.append(f"»{span}«")
        else:
            text.append(span, "black on yellow")
    return text


def format_usage(usage: Usage) -> str:
    """Format calls and tokens, with thinking and estimates if there are any."""
    output = f"{usage.output_tokens:,} out"
    details: list[str] = []
    if usage.reasoning_tokens:
        details.append(f"{usage.reasoning_tokens:,} thinking")
    if usage.estimated_tokens:
        details.append(f"{usage.estimated_tokens:,} estimated")
    if details:
        output += f" ({', '.join(details)})"
    calls = f"{usage.calls} calls"
    if usage.cached_calls:
        calls += f" and {usage.cached_calls} from the cache"
    return f"{calls}, {usage.input_tokens:,} tokens in, {output}"


def _display_order(critique: Critique) -> tuple[bool, float]:
    """Sort the selected critique first, then by P(helpful)."""
    return not critique.selected, -(critique.helpfulness or 0.0)


def _summarize(critique: Critique) -> str:
    comments = " / ".join(comment.text for comment in critique.comments)
    text = comments or critique.unparsed or "no grounded comment"
    summary = f"{_format_number(critique.helpfulness)}  {_on_one_line(text)}"
    if critique.ungrounded:
        summary += f"  ({len(critique.ungrounded)} ungrounded comments dropped)"
    return summary


def _on_one_line(text: str) -> str:
    line = escape_lines(" ".join(text.split()))
    if len(line) > _MAX_LINE_CHARS:
        line = line[:_MAX_LINE_CHARS] + "…"
    return line


def _format_number(value: float | None) -> str:
    if value is None:
        return " –  "
    return f"{value:.2f}"
