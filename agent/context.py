"""Define the options of a run (its LangGraph context)."""

import difflib
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from langchain_core.caches import BaseCache
from langchain_core.language_models import BaseChatModel
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    FiniteFloat,
    InstanceOf,
    Tag,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from selfcritic import prompts
from selfcritic.agent.addresses import reject_address
from selfcritic.agent.checkers.registry import CHECKERS, register_checker, validate_checker
from selfcritic.agent.errors import InputError
from selfcritic.agent.models import disable_retries, get_model, model_key
from selfcritic.agent.models.credentials import masked_fields
from selfcritic.agent.protocols import SCORERS, CheckerFunction, ScorerFunction, validate_scorer
from selfcritic.agent.sandbox.isolation import find_isolation_problem
from selfcritic.agent.schemas import Budget, FSBSConfig, Probability, Retries
from selfcritic.prompts import PromptSet, TaskType

register_checker("task_tests", "selfcritic.agent.tasks.checker:task_tests")

Role = Literal["generator", "critic", "judge", "refiner"]
"""Roles of the loop; the judge answers Yes/No questions about drafts and about critiques."""
SearchMethod = Literal["rejection", "fsbs"]

ChatModelInstance = Annotated[InstanceOf[BaseChatModel], AfterValidator(disable_retries)]
ModelSpec = Annotated[str | ChatModelInstance, WithJsonSchema({"type": "string"})]
OptionalModelSpec = Annotated[
    str | ChatModelInstance | None,
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "null"}]}),
]
CheckerSpec = Annotated[
    str | CheckerFunction,
    AfterValidator(validate_checker),
    WithJsonSchema({"type": "string", "enum": list(CHECKERS)}),
]
ScorerSpec = Annotated[
    str | ScorerFunction, AfterValidator(validate_scorer), WithJsonSchema({"type": "string"})
]
ScorerWeights = Annotated[dict[ScorerSpec, FiniteFloat], Field(min_length=1)]
CacheOption = Annotated[
    str | InstanceOf[BaseCache] | None,
    BeforeValidator(lambda cache: str(cache) if isinstance(cache, Path) else cache),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "null"}]}),
]


def _scorer_kind(scorer: Any) -> str:
    return "weights" if isinstance(scorer, Mapping) else "scorer"


ScorerOption = Annotated[
    Annotated[ScorerSpec, Tag("scorer")] | Annotated[ScorerWeights, Tag("weights")],
    Discriminator(_scorer_kind),
]


MODEL_VARIABLE = "SELFCRITIC_MODEL"
"""Environment variable that names the default model."""


def _nodes(*nodes: str) -> dict[str, Any]:
    """Return JSON schema metadata that assigns an option to nodes in Studio."""
    return {"langgraph_nodes": list(nodes)}


def _unknown_option(name: str, known: list[str]) -> str:
    # "temperature" is in "temperatures", "critiques" in "num_critiques".
    similar = [option for option in known if name in option]
    similar = similar or difflib.get_close_matches(name, known, n=1)
    if not similar:
        return f"there is no option '{name}'; options are {', '.join(known)}"
    return f"there is no option '{name}': did you mean '{similar[0]}'?"


class Context(BaseModel):
    """Options of a run. A model is a spec for `load` or any LangChain chat model."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    model: OptionalModelSpec = Field(
        default=None,
        description="Default model of all roles; if None, the variable SELFCRITIC_MODEL names it.",
    )
    generator: OptionalModelSpec = Field(
        default=None, description="Model that writes drafts.", json_schema_extra=_nodes("generate")
    )
    critic: OptionalModelSpec = Field(
        default=None,
        description='Model that criticizes; "none" uses only the checkers.',
        json_schema_extra=_nodes("critique", "expand_beams"),
    )
    judge: OptionalModelSpec = Field(
        default=None,
        description="Model that judges drafts and critiques.",
        json_schema_extra=_nodes("classify", "select"),
    )
    refiner: OptionalModelSpec = Field(
        default=None, description="Model that refines drafts.", json_schema_extra=_nodes("refine")
    )

    fallbacks: dict[Role, list[ModelSpec]] = Field(
        default_factory=dict,
        description="Models to try in order if a role's model is down, by role.",
    )
    temperatures: dict[Role, Annotated[FiniteFloat, Field(ge=0)]] = Field(
        default_factory=dict, description="Temperature by role (default: the model's)."
    )

    max_output_tokens: dict[Role, Annotated[int, Field(ge=1)]] = Field(
        default_factory=dict,
        description="Maximum tokens of a reply by role (default: the model's); `budget` limits the whole run.",
    )

    task_type: TaskType = Field(
        default="question",
        description="Kind of answer: to a question, a summary of the context, or code.",
    )
    prompts: str = Field(
        default="default",
        description="Prompt set: default for chat models, plain for small models, zh in Chinese.",
    )
    prompt_dir: str | None = Field(
        default=None, description="Folder with files that replace prompts of the set."
    )

    num_drafts: int = Field(
        default=1,
        ge=1,
        le=256,
        description="Initial drafts; the least critiqueable is kept.",
        json_schema_extra=_nodes("generate"),
    )
    num_critiques: int = Field(
        default=8,
        ge=1,
        le=256,
        description="Critiques of each draft; the most helpful is selected.",
        json_schema_extra=_nodes("critique"),
    )
    checkers: list[CheckerSpec] = Field(
        default_factory=list,
        description="Names or functions of checkers; findings take precedence over model opinions.",
        json_schema_extra=_nodes("classify", "check_answer"),
    )
    require_isolation: bool = Field(
        default=False,
        description="Refuse to run where the sandbox cannot isolate the code of drafts.",
    )
    search: SearchMethod = Field(
        default="rejection",
        description="How to sample critiques: independently, or by Force Sampling Beam Search (CriticGPT).",
        json_schema_extra=_nodes("classify", "critique", "expand_beams"),
    )
    fsbs: FSBSConfig = Field(
        default=FSBSConfig(),
        title="FSBS",
        description="Force Sampling Beam Search: n continuations, k kept, d iterations.",
        json_schema_extra=_nodes("expand_beams", "prune_beams"),
    )
    scorer: ScorerOption = Field(
        default="helpfulness",
        description=f"Reward of critiques: {', '.join(SCORERS)}, a function, or weights of these.",
        json_schema_extra=_nodes("select", "score"),
    )
    length_modifier: float = Field(
        default=0.0,
        allow_inf_nan=False,
        description="Value of each highlight in units of the score: higher is comprehensive, lower is precise.",
        json_schema_extra=_nodes("select"),
    )
    max_rounds: int = Field(
        default=3,
        ge=0,
        le=100,
        description="Maximum refinements; the first draft is round 0.",
        json_schema_extra=_nodes("classify"),
    )
    refinement: Literal["conditional", "direct"] = Field(
        default="conditional",
        description="conditional: with the selected critique; direct: without a critique.",
        json_schema_extra=_nodes("refine"),
    )
    speculative: bool = Field(
        default=False,
        description="Sample critiques while the draft is judged: faster, but may waste calls.",
        json_schema_extra=_nodes("classify"),
    )
    accept_threshold: Probability = Field(
        default=0.5,
        description="Accept a draft with a lower P(critiqueable).",
        json_schema_extra=_nodes("classify"),
    )
    helpful_threshold: Probability = Field(
        default=0.5,
        description="Use a critique only with a higher P(helpful).",
        json_schema_extra=_nodes("select"),
    )
    critiques_per_refinement: int = Field(
        default=1,
        ge=1,
        le=64,
        description="Maximum critiques per refinement: the best, and the next best about other passages.",
        json_schema_extra=_nodes("select"),
    )
    num_votes: Annotated[int, Field(ge=1, le=256)] | None = Field(
        default=None,
        description="Votes to estimate a probability if the model has no logprobs "
        "(default: 5, or 1 for a model that thinks before it replies).",
        json_schema_extra=_nodes("classify", "select"),
    )
    allow_ungrounded: bool = Field(
        default=False,
        description="Also use critiques without a comment whose quote is in the draft.",
        json_schema_extra=_nodes("select"),
    )
    patience: int = Field(
        default=2,
        ge=1,
        description="Consecutive refinements without improvement before the run stops.",
        json_schema_extra=_nodes("classify"),
    )
    min_delta: Probability = Field(
        default=0.01,
        description="Decrease of the lowest P(critiqueable) that counts as improvement.",
        json_schema_extra=_nodes("classify"),
    )

    budget: Budget = Field(default=Budget(), description="Limits of the whole run.")
    retries: Retries = Field(default=Retries(), description="Retry policy for failed requests.")
    seed: int | None = Field(default=None, description="Random seed for models that accept one.")
    cache: CacheOption = Field(
        default=None,
        description="Folder, or LangChain cache, of replies that are not requested again; for evals and development.",
    )
    max_input_chars: int = Field(
        default=400_000,
        ge=1,
        description="Maximum length of question and context together.",
        json_schema_extra=_nodes("generate"),
    )
    max_chat_chars: int = Field(
        default=20_000,
        ge=0,
        description="Maximum length of earlier chat messages, which each request repeats.",
        json_schema_extra=_nodes("generate"),
    )

    @model_validator(mode="before")
    @classmethod
    def _suggest_names(cls, options: Any) -> Any:
        """Name the option that a misspelled one is closest to."""
        if not isinstance(options, Mapping):
            return options
        for name in options:
            if name not in cls.model_fields:
                raise ValueError(_unknown_option(str(name), list(cls.model_fields)))
        return options

    @field_validator("require_isolation")
    @classmethod
    def _check_isolation(cls, is_required: bool) -> bool:
        """Raise InputError if isolation is required and does not work."""
        problem = find_isolation_problem() if is_required else None
        if problem:
            raise InputError(f"`require_isolation` (--require-isolation) cannot be met: {problem}.")
        return is_required

    @field_validator("cache", "prompt_dir")
    @classmethod
    def _check_folder(cls, folder: Any, field: ValidationInfo) -> Any:
        """Raise InputError if a folder is an address."""
        if isinstance(folder, str):
            option = str(field.field_name)
            reject_address(folder, f"`{option}` (--{option.replace('_', '-')})")
        return folder

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Yield the fields without credentials, for `repr`."""
        return masked_fields(super().__repr_args__(), ())

    def model_for(self, role: Role) -> str | BaseChatModel:
        """Return the model of a role, or the default model.

        Raises:
            InputError: Neither is set.
        """
        role_model: str | BaseChatModel | None = getattr(self, role)
        spec = role_model or self.model or os.environ.get(MODEL_VARIABLE)
        if not spec:
            raise InputError(
                f"No model is set for the role '{role}': pass `model` (--model on the command line), or set "
                f"{MODEL_VARIABLE}. `selfcritic models` lists all kinds. Without a server or key, use 'local:smollm2' "
                "(a small language model), 'tiny' (sorts words) or 'simulated' (a noisy solver for tests)."
            )
        return spec

    def specs_for(self, role: Role) -> list[str | BaseChatModel]:
        """Return the specs of a role's model and its fallbacks."""
        return [self.model_for(role), *self.fallbacks.get(role, [])]

    def models_for(self, role: Role) -> list[BaseChatModel]:
        """Return a role's model, then its fallbacks. Raises UnknownModelError."""
        return [get_model(spec) for spec in self.specs_for(role)]

    @property
    def has_critic(self) -> bool:
        """Whether a model criticizes; with "none", only the checkers do."""
        return self.model_for("critic") != "none"

    @property
    def configured_models(self) -> list[str | BaseChatModel]:
        """The specs of all roles and fallbacks that have a model."""
        specs: list[str | BaseChatModel] = []
        for role in get_args(Role):
            with suppress(InputError):
                specs.append(self.model_for(role))
            specs += self.fallbacks.get(role, [])
        return specs

    @property
    def is_self_graded(self) -> bool:
        """Whether one model both drafts and criticizes."""
        if not self.has_critic:
            return False
        return model_key(self.model_for("generator")) == model_key(self.model_for("critic"))

    def load_prompts(self) -> PromptSet:
        """Return the run's prompt set. Raises InputError if a file is missing or invalid."""
        try:
            return prompts.load(self.prompts, self.prompt_dir)
        except prompts.PromptError as error:
            raise InputError(str(error)) from error

    def merge(self, other: "Context | None") -> "Context":
        """Return a copy with the options that `other` sets explicitly."""
        if other is None:
            return self
        overrides = {name: getattr(other, name) for name in other.model_fields_set}
        return self.model_copy(update=overrides)
