"""Options of `selfcritic review`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import typer
from langchain_core.language_models import BaseChatModel

from selfcritic.agent.context import Context
from selfcritic.agent.errors import InputError
from selfcritic.agent.schemas import Severity
from selfcritic.graphs.cli.console import check_api_base, load_model
from selfcritic.graphs.cli.options import (
    LOOP,
    MODELS,
    OUTPUT,
    ApiBase,
    AsJson,
    BudgetOptions,
    MaxOutputTokens,
    NumCritiques,
    RequireIsolation,
    Scorer,
    Search,
    Seed,
    parse_max_output_tokens,
)
from selfcritic.graphs.cli.review.session import NO_MODEL

_SEVERITY_NAMES: Mapping[str, Severity] = {
    "low": "low",
    "medium": "medium",
    "high": "high",
    "note": "low",
    "warning": "medium",
    "error": "high",
    "critical": "high",
}
"""Severities, and the words of SARIF and other tools for them."""


@dataclass(frozen=True)
class CriticOptions:
    """The critic's model and search options."""

    model: Annotated[
        str | None,
        typer.Option(
            envvar="SELFCRITIC_MODEL",
            help="Model name; see `selfcritic models` (default: none).",
            metavar="NAME",
            rich_help_panel=MODELS,
        ),
    ] = None
    api_base: ApiBase = None
    max_output_tokens: MaxOutputTokens = None
    search: Search = "rejection"
    num_critiques: NumCritiques = 8
    length_modifier: Annotated[
        float,
        typer.Option(
            help="Bonus per comment: > 0 thorough, < 0 precise.", metavar="X", rich_help_panel=LOOP
        ),
    ] = 0.0
    scorer: Scorer = "helpfulness"
    seed: Seed = None
    require_isolation: RequireIsolation = False

    def build_context(self, checkers: list[str], budget: BudgetOptions) -> Context:
        """Load the model and validate the options.

        Raises:
            InputError: The model or an option is invalid.
            ValidationError: An option is out of range.
        """
        check_api_base(self.api_base, self.model)
        model: str | BaseChatModel = NO_MODEL
        if self.model is not None and self.model != NO_MODEL:
            model = load_model(self.model, self.api_base)
        return Context(
            model=model,
            max_output_tokens=parse_max_output_tokens(self.max_output_tokens),
            search=self.search,
            num_critiques=self.num_critiques,
            length_modifier=self.length_modifier,
            scorer=self.scorer,
            checkers=checkers,
            budget=budget.to_budget(),
            seed=self.seed,
            require_isolation=self.require_isolation,
        )


@dataclass(frozen=True)
class ReportOptions:
    """What to print, and when to fail."""

    min_severity: Annotated[
        str,
        typer.Option(
            help="Hide comments below this severity.",
            metavar="[low|medium|high]",
            rich_help_panel=OUTPUT,
        ),
    ] = "low"
    fail_on: Annotated[
        str | None,
        typer.Option(
            help="Exit with 1 if a comment is this severe.",
            metavar="[low|medium|high]",
            rich_help_panel=OUTPUT,
        ),
    ] = None
    allow_empty: Annotated[
        bool,
        typer.Option(
            "--allow-empty",
            help="Exit with 0 if there is nothing to review.",
            rich_help_panel=OUTPUT,
        ),
    ] = False
    context_lines: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Context lines around comments (default: whole file).",
            metavar="N",
            rich_help_panel=OUTPUT,
        ),
    ] = None
    as_json: AsJson = False
    as_sarif: Annotated[
        bool,
        typer.Option("--sarif", help="Print SARIF 2.1.0.", rich_help_panel=OUTPUT),
    ] = False

    def check(self) -> None:
        """Raise InputError for an unknown severity, or for two output formats."""
        if self.as_json and self.as_sarif:
            raise InputError("--json and --sarif exclude each other: pass one of them.")
        _ = self.lowest_shown, self.lowest_failing

    @property
    def lowest_shown(self) -> Severity:
        """Lowest severity of the comments that are printed."""
        return _parse_severity("--min-severity", self.min_severity)

    @property
    def lowest_failing(self) -> Severity | None:
        """Lowest severity that fails; None without --fail-on."""
        return None if self.fail_on is None else _parse_severity("--fail-on", self.fail_on)


def _parse_severity(option: str, value: str) -> Severity:
    word = value.strip().casefold()
    severity = _SEVERITY_NAMES.get(word)
    if severity is None:
        raise InputError(f"{option} takes low, medium or high; got '{value}'.")
    return severity
