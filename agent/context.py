"""The options of a run: LangGraph's context, shown and edited in Studio."""

from typing import Annotated, Any, Literal

from langchain_core.language_models import BaseChatModel
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, FiniteFloat, InstanceOf, WithJsonSchema

from selfcritic.agent.checkers.registry import CHECKERS, register_checker, validate_checker
from selfcritic.agent.models import disable_retries, get_model
from selfcritic.agent.protocols import SCORERS, CheckerFunction, ScorerFunction, validate_scorer
from selfcritic.agent.schemas import Budget, FSBSConfig, Probability, Retries
from selfcritic.prompts import TaskType

register_checker("task_tests", "selfcritic.agent.tasks.checker:task_tests")

Role = Literal["generator", "critic", "judge", "refiner"]
"""Who speaks: the judge answers both Yes/No questions, of a draft and of a critique."""

ChatModelInstance = Annotated[InstanceOf[BaseChatModel], AfterValidator(disable_retries)]
ModelSpec = Annotated[str | ChatModelInstance, WithJsonSchema({"type": "string"})]
OptionalModelSpec = Annotated[
    str | ChatModelInstance | None, WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "null"}]})
]
CheckerSpec = Annotated[
    str | CheckerFunction,
    AfterValidator(validate_checker),
    WithJsonSchema({"type": "string", "enum": list(CHECKERS)}),
]
NamedScorer = Annotated[str, AfterValidator(validate_scorer)]
ScorerSpec = Annotated[NamedScorer | ScorerFunction, WithJsonSchema({"type": "string"})]


def _for(*nodes: str) -> dict[str, Any]:
    """The nodes that an option belongs to, as Studio reads them."""
    return {"langgraph_nodes": list(nodes)}


def _identity(spec: str | BaseChatModel) -> object:
    """What tells a model from others: a spec by the model it names, a handed-in one by its kind, name and address."""
    model = get_model(spec)
    name = getattr(model, "model_name", None) or getattr(model, "model", None)
    address = getattr(model, "openai_api_base", None) or getattr(model, "api_base", None)
    return (type(model), name, address) if name else model


class Context(BaseModel):
    """The options of a run. A model is a spec that `load` knows or any LangChain chat model."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: ModelSpec = Field(default="simulated", description="Model of every part that has none of its own.")
    generator: OptionalModelSpec = Field(
        default=None, description="Model that drafts.", json_schema_extra=_for("generate")
    )
    critic: OptionalModelSpec = Field(
        default=None,
        description='Model that criticises; "none" leaves a review to the checkers.',
        json_schema_extra=_for("critique", "expand_beams"),
    )
    judge: OptionalModelSpec = Field(
        default=None,
        description="Model that judges drafts and critiques.",
        json_schema_extra=_for("classify", "select"),
    )
    refiner: OptionalModelSpec = Field(default=None, description="Model that mends.", json_schema_extra=_for("refine"))

    fallbacks: dict[Role, list[ModelSpec]] = Field(
        default_factory=dict, description="By part, the models tried in order where its own is down."
    )
    temperatures: dict[Role, Annotated[FiniteFloat, Field(ge=0)]] = Field(
        default_factory=dict, description="By part, the temperature asked for; the model's own where there is none."
    )

    task_type: TaskType = Field(
        default="question", description="What is answered: a question, a summary of the context, or code."
    )
    prompts: str = Field(default="default", description="Prompt set: default for chat models, plain for small ones.")
    prompt_dir: str | None = Field(default=None, description="Folder whose files take the place of the set's own.")

    num_drafts: int = Field(
        default=1,
        ge=1,
        le=256,
        description="Drafts drawn at first; the least critiqueable is kept.",
        json_schema_extra=_for("generate"),
    )
    num_critiques: int = Field(
        default=8,
        ge=1,
        le=256,
        description="Critiques drawn of a draft; the most helpful is kept.",
        json_schema_extra=_for("critique"),
    )
    checkers: list[CheckerSpec] = Field(
        default_factory=list,
        description="Tools whose findings go before opinions: names, or functions of your own.",
        json_schema_extra=_for("classify", "check_answer"),
    )
    search: Literal["rejection", "fsbs"] = Field(
        default="rejection",
        description="How critiques are drawn: independently, or by Force Sampling Beam Search (CriticGPT).",
        json_schema_extra=_for("classify", "critique", "expand_beams"),
    )
    fsbs: FSBSConfig = Field(
        default=FSBSConfig(),
        title="FSBS",
        description="Force Sampling Beam Search: n continuations, k kept, d iterations.",
        json_schema_extra=_for("expand_beams", "prune_beams"),
    )
    scorer: ScorerSpec | Annotated[dict[NamedScorer, FiniteFloat], Field(min_length=1)] = Field(
        default="helpfulness",
        description=f"What a critique's reward is: {', '.join(SCORERS)}, a function, or several names and weights.",
        json_schema_extra=_for("select", "score"),
    )
    length_modifier: float = Field(
        default=0.0,
        allow_inf_nan=False,
        description="Worth of one more quoted passage, in units of the score: more is thorough, less is precise.",
        json_schema_extra=_for("select", "select"),
    )
    max_rounds: int = Field(
        default=3,
        ge=0,
        le=100,
        description="Refinements at most; the first draft is round 0.",
        json_schema_extra=_for("classify"),
    )
    refinement: Literal["conditional", "direct"] = Field(
        default="conditional",
        description="conditional: by the selected critique; direct: without any critique.",
        json_schema_extra=_for("refine"),
    )
    speculative: bool = Field(
        default=False,
        description="Draw critiques while the draft is being judged: faster, for calls that may be wasted.",
        json_schema_extra=_for("classify"),
    )
    accept_threshold: Probability = Field(
        default=0.5, description="A draft with a lower P(critiqueable) is accepted.", json_schema_extra=_for("classify")
    )
    helpful_threshold: Probability = Field(
        default=0.5,
        description="A critique must have a higher P(helpful) to be used.",
        json_schema_extra=_for("select", "select"),
    )
    critiques_per_refinement: int = Field(
        default=1,
        ge=1,
        le=64,
        description="Critiques that one refinement follows at most: the best, and the next best about other passages.",
        json_schema_extra=_for("select", "select"),
    )
    num_votes: int = Field(
        default=5,
        ge=1,
        le=256,
        description="Votes taken for a probability where there are no log-probs.",
        json_schema_extra=_for("classify", "select"),
    )
    patience: int = Field(
        default=2,
        ge=1,
        description="Refinements in a row that may bring no gain before a plateau is called.",
        json_schema_extra=_for("classify"),
    )
    min_delta: Probability = Field(
        default=0.01,
        description="Fall of the lowest P(critiqueable) that counts as a gain.",
        json_schema_extra=_for("classify"),
    )

    budget: Budget = Field(default=Budget(), description="What the whole run may spend.")
    retries: Retries = Field(default=Retries(), description="How a request that failed is tried again.")
    seed: int | None = Field(default=None, description="Handed to the models that take one: same seed, same run.")
    max_input_chars: int = Field(
        default=400_000,
        ge=1,
        description="Question and context longer than this together are refused.",
        json_schema_extra=_for("generate"),
    )

    def model_for(self, part: Role) -> str | BaseChatModel:
        """The model that speaks a part."""
        own: str | BaseChatModel | None = getattr(self, part)
        return self.model if own is None else own

    def specs_for(self, role: Role) -> list[str | BaseChatModel]:
        """Return a role's model and its fallbacks, as given."""
        return [self.model_for(role), *self.fallbacks.get(role, [])]

    def models_for(self, role: Role) -> list[BaseChatModel]:
        """Return a role's model, then its fallbacks. Raises UnknownModelError."""
        return [get_model(spec) for spec in self.specs_for(role)]

    @property
    def has_critic(self) -> bool:
        """Whether a model criticises; "none" leaves a review to the checkers."""
        return self.model_for("critic") != "none"

    @property
    def is_self_graded(self) -> bool:
        """Whether one model both drafts and criticises."""
        return _identity(self.model_for("generator")) == _identity(self.model_for("critic"))

    def merge(self, other: "Context | None") -> "Context":
        """These options with those that `other` was given explicitly in their place."""
        if other is None:
            return self
        return self.model_copy(update={name: getattr(other, name) for name in other.model_fields_set})
