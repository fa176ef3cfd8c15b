"""Print what `selfcritic models check` found, as a table or as JSON."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from selfcritic.agent.schemas import Capabilities, Usage
from selfcritic.graphs.cli.terminal import print_words
from selfcritic.graphs.control_characters import escape_lines

Status = Literal["yes", "partly", "no", "unknown"]

LOOP_CRITIQUES = 8
"""Critiques of a round by default."""
LOOP_VOTES = 5
"""Votes of a verdict by default."""

_NAME_WIDTH = 12
_STATUS_WIDTH = 7
_STYLES: dict[Status, str] = {"yes": "green", "partly": "yellow", "no": "red", "unknown": "dim"}


@dataclass(frozen=True)
class Finding:
    """What one check showed."""

    name: str
    status: Status
    details: str
    hint: str = ""


@dataclass(frozen=True)
class ModelReport:
    """What a model can do, and what the checks cost."""

    findings: Sequence[Finding]
    usage: Usage
    is_usable: bool
    """Whether the model replies, with verdicts that can be read."""
    calls_per_round: int | None
    """Most requests of a round with the default options; None if the model is not usable."""

    def to_json(self, model: str) -> dict[str, Any]:
        """Return the report as JSON data."""
        usage = self.usage.model_dump(mode="json", exclude={"by_role"})
        return {
            "model": model,
            "usable": self.is_usable,
            "checks": [asdict(finding) for finding in self.findings],
            "calls_per_round": self.calls_per_round,
            "usage": usage,
        }


def count_round_calls(capabilities: Capabilities) -> int:
    """Return the most requests of a round with the default options."""
    votes = LOOP_VOTES
    if capabilities.probability == "logprobs" or capabilities.reasoning:
        votes = 1
    elif capabilities.n == "native":
        votes = 2  # the first vote is sampled alone
    critique_calls = 1 if capabilities.n == "native" else LOOP_CRITIQUES
    refinement_calls = 1
    return critique_calls + LOOP_CRITIQUES * votes + refinement_calls + votes


def print_findings(findings: Sequence[Finding], console: Console) -> None:
    """Print rows of the table of checks; rows that are printed later line up."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True, width=_NAME_WIDTH)
    table.add_column(no_wrap=True, width=_STATUS_WIDTH)
    table.add_column(overflow="fold")
    for finding in findings:
        result = Text(escape_lines(finding.details))
        if finding.hint:
            result.append(f"\n→ {finding.hint}", "dim")
        is_neutral = finding.status == "no" and not finding.hint
        status = Text(finding.status, "dim" if is_neutral else _STYLES[finding.status])
        table.add_row(finding.name, status, result)
    if findings:
        console.print(table)


def print_conclusion(report: ModelReport, model: str, console: Console) -> None:
    """Print the costs and whether the loop can use the model."""
    console.print(Text(f"\n{_format_usage(report.usage)}"), soft_wrap=True)
    style = "bold" if report.is_usable else "bold red"
    print_words(console, Text(conclude(report, model), style))


def conclude(report: ModelReport, model: str) -> str:
    """Return whether the loop can use the model, and for what."""
    if not report.is_usable:
        return f"{model} cannot be used in the loop."
    statuses = {finding.name: finding.status for finding in report.findings}
    is_wrong = "partly" in (statuses.get("verdicts"), statuses.get("helpfulness"))
    quotes_nothing = statuses.get("quotes") == "no"
    if is_wrong and quotes_nothing:
        return (
            f"{model} can neither judge nor criticize: its verdicts can be read but are wrong, and its critiques "
            "quote nothing. Use a larger model."
        )
    seconds = report.usage.seconds / max(1, report.usage.calls)
    conclusion = (
        f"{model} can be used in the loop. A round takes up to {report.calls_per_round} requests; "
        f"a request took {seconds:.1f} s."
    )
    if quotes_nothing:
        return f"{model} can judge, but not criticize: use another model with --critic."
    if is_wrong:
        conclusion += " But its verdicts can be read and are wrong here: a larger model judges and criticizes better."
    return conclusion


def _format_usage(usage: Usage) -> str:
    cost = "cost unknown"
    if usage.cost_usd is not None:
        cost = f"{usage.cost_usd:.4f} USD"
    return (
        f"{usage.calls} requests, {usage.input_tokens:,} tokens in, {usage.output_tokens:,} out, "
        f"{usage.seconds:.1f} s, {cost}"
    )
