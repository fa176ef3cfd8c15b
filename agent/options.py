"""Type the options of the graph factories, so that editors and mypy check them.

A test compares the keys and types with the fields of `Context`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from langchain_core.caches import BaseCache
from langchain_core.language_models import BaseChatModel
from typing_extensions import TypedDict

from selfcritic.agent.context import Context, Role, SearchMethod
from selfcritic.agent.protocols import CheckerFunction, ScorerFunction
from selfcritic.agent.schemas import Budget, FSBSConfig, Retries
from selfcritic.prompts import TaskType

Model = str | BaseChatModel


class Options(TypedDict, total=False):
    """Keyword arguments of the graph factories: the fields of `Context`."""

    model: Model | None
    generator: Model | None
    critic: Model | None
    judge: Model | None
    refiner: Model | None
    fallbacks: Mapping[Role, Sequence[Model]]
    temperatures: Mapping[Role, float]
    max_output_tokens: Mapping[Role, int]
    task_type: TaskType
    prompts: str
    prompt_dir: str | None
    num_drafts: int
    num_critiques: int
    checkers: Sequence[str | CheckerFunction]
    require_isolation: bool
    search: SearchMethod
    fsbs: FSBSConfig
    scorer: (
        str | ScorerFunction | Mapping[Any, float]
    )  # its keys are names and functions; Mapping keys are invariant
    length_modifier: float
    max_rounds: int
    refinement: Literal["conditional", "direct"]
    speculative: bool
    accept_threshold: float
    helpful_threshold: float
    critiques_per_refinement: int
    num_votes: int | None
    allow_ungrounded: bool
    patience: int
    min_delta: float
    budget: Budget
    retries: Retries
    seed: int | None
    cache: str | Path | BaseCache | None
    max_input_chars: int
    max_chat_chars: int


def to_context(options: Options) -> Context:
    """Validate options; raises pydantic's ValidationError."""
    return Context.model_validate(options)
