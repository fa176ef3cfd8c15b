"""Options of `selfcritic tamper`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from selfcritic.agent.context import Context
from selfcritic.agent.data.tampering.plan import PlanOptions
from selfcritic.agent.errors import InputError
from selfcritic.graphs.cli.console import check_api_base, load_model
from selfcritic.graphs.cli.options import (
    MODELS,
    ApiBase,
    MaxOutputTokens,
    parse_max_output_tokens,
)
from selfcritic.graphs.tamper_nodes import TamperOptions

_DATA = "Records"
_NATURAL = "Natural bugs"
_SECONDS = 5.0
_TESTING = "Tests"
_RESUMING = "Resuming"


@dataclass(frozen=True)
class RecordOptions:
    """Which records are made."""

    out: Annotated[Path, typer.Option(help="File of the new records (JSON Lines).", metavar="FILE")]
    tests: Annotated[
        Path | None,
        typer.Option(
            help="Tests of a Python file, or of the releases.",
            metavar="FILE",
            rich_help_panel=_DATA,
        ),
    ] = None
    count: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Tasks to use (default: all; generated: 100).",
            metavar="N",
            rich_help_panel=_DATA,
        ),
    ] = None
    per_answer: Annotated[
        int,
        typer.Option(
            min=1, max=1000, help="Records per answer.", metavar="N", rich_help_panel=_DATA
        ),
    ] = 4
    max_bugs: Annotated[
        int,
        typer.Option(
            min=1, max=3, help="Flaws per record at most.", metavar="N", rich_help_panel=_DATA
        ),
    ] = 3
    clean: Annotated[
        float,
        typer.Option(
            help="Share of records without a flaw.", metavar="SHARE", rich_help_panel=_DATA
        ),
    ] = 0.2
    split: Annotated[
        str,
        typer.Option(
            help="Shares of train, dev and test tasks.", metavar="A,B,C", rich_help_panel=_DATA
        ),
    ] = "0.8,0.1,0.1"
    seed: Annotated[int, typer.Option(help="Random seed.", metavar="N", rich_help_panel=_DATA)] = 0

    def to_plan(self) -> PlanOptions:
        """Return the plan's options. Raises InputError for invalid shares."""
        return PlanOptions(
            self.per_answer, self.max_bugs, self.clean, _parse_shares(self.split), self.seed
        )


@dataclass(frozen=True)
class NaturalOptions:
    """Where natural bugs come from."""

    from_git: Annotated[
        Path | None,
        typer.Option(
            help="Repository; its fix commits replace DATA.",
            metavar="REPO",
            rich_help_panel=_NATURAL,
        ),
    ] = None
    from_release: Annotated[
        Path | None,
        typer.Option(
            help="Earlier release: folder, wheel or archive.",
            metavar="OLD",
            rich_help_panel=_NATURAL,
        ),
    ] = None
    to_release: Annotated[
        Path | None,
        typer.Option(
            help="Later release of the same package.", metavar="NEW", rich_help_panel=_NATURAL
        ),
    ] = None
    max_commits: Annotated[
        int,
        typer.Option(
            min=1, help="Fix commits to test, newest first.", metavar="N", rich_help_panel=_NATURAL
        ),
    ] = 100

    @property
    def is_used(self) -> bool:
        """Whether natural bugs replace inserted ones."""
        return (self.from_git or self.from_release or self.to_release) is not None

    def check(self, data: str | None, insertion: "InsertionOptions", tests: Path | None) -> None:
        """Check that exactly one source is named.

        Raises:
            InputError: There is no source, or options do not go together.
        """
        if not self.is_used:
            if data is None:
                raise InputError(
                    "Pass DATA, --from-git REPO, or --from-release OLD --to-release NEW."
                )
            return
        has_releases = self.from_release is not None or self.to_release is not None
        if data is not None or (has_releases and self.from_git is not None):
            raise InputError("Pass only one of DATA, --from-git and --from-release.")
        if has_releases and (self.from_release is None or self.to_release is None):
            raise InputError("--from-release OLD and --to-release NEW belong together.")
        if tests is not None and self.from_git is not None:
            raise InputError(
                "--tests is not used with --from-git, which runs the repository's tests."
            )
        if insertion.model or insertion.critic:
            raise InputError("Natural bugs need no --model and no --critic. Leave them out.")


@dataclass(frozen=True)
class InsertionOptions:
    """What inserts, describes and must miss the flaws."""

    model: Annotated[
        str | None,
        typer.Option(
            help="Model that inserts flaws (default: operators).",
            metavar="NAME",
            rich_help_panel=MODELS,
        ),
    ] = None
    insert: Annotated[
        Literal["operators", "model"] | None,
        typer.Option(
            help="What inserts flaws (default: model if --model is given).", rich_help_panel=MODELS
        ),
    ] = None
    describe: Annotated[
        Literal["template", "model"],
        typer.Option(help="What describes flaws.", rich_help_panel=MODELS),
    ] = "template"
    critic: Annotated[
        str | None,
        typer.Option(
            help="Critic that must miss each flaw in 1 of 3 samples.",
            metavar="NAME",
            rich_help_panel=MODELS,
        ),
    ] = None
    api_base: ApiBase = None
    max_output_tokens: MaxOutputTokens = None

    def to_tampering(self, testing: "TestingOptions") -> TamperOptions:
        """Return the graph's options.

        Raises:
            InputError: --model is missing or not used.
        """
        insert = self.insert or ("model" if self.model else "operators")
        uses_model = "model" in (insert, self.describe)
        if uses_model and self.model is None:
            raise InputError("--insert model and --describe model need --model NAME.")
        if not uses_model and self.model is not None:
            raise InputError(
                "--model is not used: leave out --insert operators, or pass --describe model."
            )
        return TamperOptions(
            insert=insert,
            describe=self.describe,
            max_candidates=testing.max_candidates,
            seconds=testing.seconds or _SECONDS,
        )

    def to_context(self, seed: int, require_isolation: bool) -> Context:
        """Return the options of the models. Raises InputError or UnknownModelError."""
        check_api_base(self.api_base, self.model, self.critic)
        return Context(
            model=load_model(self.model, self.api_base) if self.model else None,
            critic=load_model(self.critic, self.api_base) if self.critic else None,
            max_output_tokens=parse_max_output_tokens(self.max_output_tokens),
            seed=seed,
            require_isolation=require_isolation,
        )


@dataclass(frozen=True)
class TestingOptions:
    """How flaws are tested."""

    max_candidates: Annotated[
        int,
        typer.Option(
            min=1,
            max=1000,
            help="Flaws to try for one record.",
            metavar="N",
            rich_help_panel=_TESTING,
        ),
    ] = 20
    seconds: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            max=3600,
            help="Time for the tests of one answer (default: 5; natural bugs: 60).",
            metavar="SECONDS",
            rich_help_panel=_TESTING,
        ),
    ] = None
    concurrency: Annotated[
        int,
        typer.Option(
            min=1,
            max=256,
            help="Records made at the same time.",
            metavar="N",
            rich_help_panel=_TESTING,
        ),
    ] = 2
    require_isolation: Annotated[
        bool,
        typer.Option(
            "--require-isolation",
            help="Refuse to run code that is not isolated.",
            rich_help_panel=_TESTING,
        ),
    ] = False


@dataclass(frozen=True)
class ResumeOptions:
    """Where finished records are kept."""

    ledger: Annotated[
        Path | None,
        typer.Option(
            help="SQLite file of finished records (default: OUT.ledger).",
            metavar="FILE",
            rich_help_panel=_RESUMING,
        ),
    ] = None
    restart: Annotated[
        bool,
        typer.Option("--restart", help="Discard the finished records.", rich_help_panel=_RESUMING),
    ] = False


def _parse_shares(text: str) -> tuple[float, float, float]:
    """Return three shares.

    Raises:
        InputError: The text is not three numbers.
    """
    try:
        train, dev, test = map(float, text.split(","))
    except ValueError:
        raise InputError(
            f"--split needs three shares of train, dev and test, such as 0.8,0.1,0.1; got '{text}'."
        ) from None
    return train, dev, test
