"""Define the options that several commands share.

A command takes a group of options as one parameter. `expand_groups` turns the group into one option per field.
"""

import dataclasses
import functools
import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, get_args

import typer

from selfcritic.agent.context import MODEL_VARIABLE, Role, SearchMethod
from selfcritic.agent.errors import InputError
from selfcritic.agent.schemas import Budget
from selfcritic.prompts import TaskType

MODELS = "Models"
LOOP = "Loop"
OUTPUT = "Output"
_BUDGET = "Budget"
_REFINEMENT = "Refinement"
_PROMPTS = "Prompts"

ApiBase = Annotated[
    str | None,
    typer.Option(
        help="Base URL of an OpenAI-compatible server.", metavar="URL", rich_help_panel=MODELS
    ),
]
MaxOutputTokens = Annotated[
    list[str] | None,
    typer.Option(
        help="Reply length: N, or ROLE=N (repeatable).", metavar="N", rich_help_panel=MODELS
    ),
]
CacheFolder = Annotated[
    str | None,
    typer.Option(
        "--cache",
        help="Folder of replies that are not requested again.",
        metavar="DIR",
        rich_help_panel=MODELS,
    ),
]
Search = Annotated[
    SearchMethod,
    typer.Option(help="How to sample critiques.", rich_help_panel=LOOP),
]
NumCritiques = Annotated[
    int,
    typer.Option(
        min=1, max=256, help="Critiques sampled per draft.", metavar="N", rich_help_panel=LOOP
    ),
]
Scorer = Annotated[
    str,
    typer.Option(
        help="What rates critiques, such as reward:FOLDER.", metavar="NAME", rich_help_panel=LOOP
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(help="Random seed, for models that take one.", metavar="N", rich_help_panel=LOOP),
]
RequireIsolation = Annotated[
    bool,
    typer.Option(
        "--require-isolation", help="Refuse to run code that is not isolated.", rich_help_panel=LOOP
    ),
]
AsJson = Annotated[
    bool,
    typer.Option("--json", help="Print the full result as JSON.", rich_help_panel=OUTPUT),
]
Quiet = Annotated[
    bool,
    typer.Option("--quiet", help="Print only errors to stderr.", rich_help_panel=OUTPUT),
]


@dataclass(frozen=True)
class ModelOptions:
    """Models of a run, and their server."""

    model: Annotated[
        str | None,
        typer.Option(
            envvar=MODEL_VARIABLE,
            help="Model name; see `selfcritic models`.",
            metavar="NAME",
            rich_help_panel=MODELS,
        ),
    ] = None
    critic: Annotated[
        str | None,
        typer.Option(
            help="Model for critiques (default: --model).", metavar="NAME", rich_help_panel=MODELS
        ),
    ] = None
    api_base: ApiBase = None
    max_output_tokens: MaxOutputTokens = None
    cache: CacheFolder = None


@dataclass(frozen=True)
class LoopOptions:
    """Options of the loop, named like the fields of `Context`."""

    task_type: Annotated[
        TaskType,
        typer.Option(help="Type: question, summary or code.", metavar="TYPE", rich_help_panel=LOOP),
    ] = "question"
    num_drafts: Annotated[
        int,
        typer.Option(
            min=1, max=256, help="First drafts sampled.", metavar="N", rich_help_panel=LOOP
        ),
    ] = 1
    num_critiques: NumCritiques = 8
    max_rounds: Annotated[
        int,
        typer.Option(
            min=0, max=100, help="Refinements at most.", metavar="N", rich_help_panel=LOOP
        ),
    ] = 3
    scorer: Scorer = "helpfulness"
    seed: Seed = None
    require_isolation: RequireIsolation = False


@dataclass(frozen=True)
class RefinementOptions:
    """How drafts are accepted and refined, and with which prompts."""

    search: Search = "rejection"
    critiques_per_refinement: Annotated[
        int,
        typer.Option(
            min=1,
            max=64,
            help="Critiques used per refinement.",
            metavar="N",
            rich_help_panel=_REFINEMENT,
        ),
    ] = 1
    accept_threshold: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            help="Accept below this P(critiqueable).",
            metavar="P",
            rich_help_panel=_REFINEMENT,
        ),
    ] = 0.5
    helpful_threshold: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            help="Use critiques above this P(helpful).",
            metavar="P",
            rich_help_panel=_REFINEMENT,
        ),
    ] = 0.5
    direct: Annotated[
        bool,
        typer.Option(
            "--direct", help="Refine without critiques (baseline).", rich_help_panel=_REFINEMENT
        ),
    ] = False
    prompts: Annotated[
        str,
        typer.Option(
            help="Prompt set: default, plain or zh (Chinese).",
            metavar="NAME",
            rich_help_panel=_PROMPTS,
        ),
    ] = "default"
    prompt_dir: Annotated[
        str | None,
        typer.Option(
            help="Folder of prompts that override the set.", metavar="DIR", rich_help_panel=_PROMPTS
        ),
    ] = None

    def to_fields(self) -> dict[str, Any]:
        """Return the options as fields of `Context`."""
        fields = dataclasses.asdict(self)
        is_direct = fields.pop("direct")
        fields["refinement"] = "direct" if is_direct else "conditional"
        return fields


@dataclass(frozen=True)
class BudgetOptions:
    """Limits on what one command may spend."""

    max_calls: Annotated[
        int | None,
        typer.Option(min=1, help="Requests at most.", metavar="N", rich_help_panel=_BUDGET),
    ] = None
    max_tokens: Annotated[
        int | None,
        typer.Option(
            min=1, help="Input and output tokens at most.", metavar="N", rich_help_panel=_BUDGET
        ),
    ] = None
    max_cost: Annotated[
        float | None,
        typer.Option(
            help="US dollars at most; requires known prices.",
            metavar="USD",
            rich_help_panel=_BUDGET,
        ),
    ] = None
    max_seconds: Annotated[
        float | None,
        typer.Option(help="Seconds at most.", metavar="SECONDS", rich_help_panel=_BUDGET),
    ] = None

    def to_budget(self) -> Budget:
        """Build a Budget; raise ValidationError for a negative limit."""
        return Budget(
            calls=self.max_calls,
            tokens=self.max_tokens,
            cost_usd=self.max_cost,
            seconds=self.max_seconds,
        )


def parse_max_output_tokens(values: Sequence[str] | None) -> dict[Role, int]:
    """Return the length limit of each role's replies.

    Raises:
        InputError: A value is neither a positive number nor ROLE=N.
    """
    roles: tuple[Role, ...] = get_args(Role)
    limits: dict[Role, int] = {}
    for value in values or []:
        role, _, number = value.rpartition("=")
        if not re.fullmatch(r"[1-9]\d*", number) or (role and role not in roles):
            raise InputError(
                f"--max-output-tokens takes N or ROLE=N, with a role of {', '.join(roles)}; "
                f"got '{value}'."
            )
        for limited_role in roles:
            if role in ("", limited_role):
                limits[limited_role] = int(number)
    return limits


def expand_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Replace each option group of a command with its fields.

    A group is a parameter that is annotated with a dataclass. Typer sees one option per field; the command receives
    the dataclass.
    """
    groups: dict[str, Callable[..., Any]] = {}
    parameters: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(command).parameters.items():
        group = parameter.annotation
        if isinstance(group, type) and dataclasses.is_dataclass(group):
            groups[name] = group
            parameters.extend(inspect.signature(group).parameters.values())
        else:
            parameters.append(parameter)

    @functools.wraps(command)
    def call_with_groups(**values: Any) -> None:
        for name, group in groups.items():
            fields = {field: values.pop(field) for field in inspect.signature(group).parameters}
            values[name] = group(**fields)
        command(**values)

    # Keyword-only parameters may have their defaults in any order.
    keyword_only = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters
    ]
    call_with_groups.__signature__ = inspect.Signature(keyword_only)  # type: ignore[attr-defined]
    return call_with_groups
