"""One step of a run as a node sees it: the options, the prompts, and one meter over all parts."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import ContextVar
from typing import Any, Literal, cast, get_args

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables.config import ensure_config
from langgraph.func import task
from langgraph.runtime import Runtime

from selfcritic import prompts
from selfcritic.agent.checkers.registry import get_checkers
from selfcritic.agent.context import Context, Role
from selfcritic.agent.critic.format import render
from selfcritic.agent.errors import BudgetExhausted, SelfcriticError
from selfcritic.agent.messages import get_context
from selfcritic.agent.models import get_model
from selfcritic.agent.sampling.budget import BudgetTracker, parent_budget
from selfcritic.agent.sampling.sampler import Sampler
from selfcritic.agent.schemas import Capabilities, Round, StopReason
from selfcritic.agent.state import State
from selfcritic.agent.stopping import stop_reason_for

called_sync: ContextVar[bool] = ContextVar("is_synchronous", default=False)
"""Whether the graph was called by `invoke` rather than `ainvoke`."""


Event = Literal["draft", "found", "judged", "critique", "scored", "selected", "stopped"]


class Step:
    """What a node works with. Every update it returns goes through `update`, so that nothing spent is lost."""

    def __init__(self, state: State, runtime: Runtime[Context]) -> None:
        self.state = state
        self.context = context = runtime.context
        self._write = runtime.stream_writer
        self.failure: SelfcriticError | None = None
        """The last failure of this step that was passed over because others brought what it did not."""
        self._meter = BudgetTracker(context.budget, state.get("usage"), parent=parent_budget.get())
        self._methods = {part: method.model_copy(deep=True) for part, method in state.get("capabilities", {}).items()}
        self._prompts = prompts.load(context.prompts, context.prompt_dir)

    @property
    def rounds(self) -> list[Round]:
        """All rounds so far."""
        return self.state["rounds"]

    @property
    def draft(self) -> Round:
        """The draft being worked on."""
        return self.rounds[-1]

    def reserve(self, part: str) -> None:
        """Count a request that is none of a chat model's; raises BudgetExhausted where it must not be sent."""
        self._meter.reserve(part, [])

    def tell(self, event: Event, round_: int, **what: Any) -> None:
        """Stream what has just happened in a round, to those who listen to LangGraph's custom stream."""
        self._write({"event": event, "round": round_, **what})

    def sampler(self, part: Role) -> Sampler:
        """The model that speaks a part, on the run's meter."""
        return Sampler(
            models=models_for(part, self.context),
            part=part,
            meter=self._meter,
            seed=self.context.seed,
            temperature=self.context.temperatures.get(part),
            method=self._method(part),
            retries=self.context.retries,
            save=_save if _is_checkpointed() else None,
        )

    def _method(self, part: Role) -> Capabilities:
        """What was found of a part's model; what the same model refused in another part, it refuses in this one."""
        method = self._methods.setdefault(part, Capabilities())
        for other, found in self._methods.items():
            if self.context.model_for(cast(Role, other)) == self.context.model_for(part):
                method.refused += [name for name in found.refused if name not in method.refused]
        return method

    def ask_for_critiques(self, draft: Round, critique: str = "") -> list[BaseMessage]:
        """The messages that ask for critiques of a draft, or for one to be continued; they tell what tools found."""
        told = {"answer": draft.answer, "findings": render(draft.findings)}
        return self.ask("continue", critique=critique, **told) if critique else self.ask("critique", **told)

    def ask(self, role: prompts.PromptName, **data: str) -> list[BaseMessage]:
        """The messages that ask for a role's part in this run's question."""
        question = self.state["question"]
        material = get_context(self.state, self.context.max_input_chars - len(question))
        return self._prompts.render(role, self.context.task_type, question=question, context=material, **data)

    def search_stop_reason(self) -> dict[str, Any]:
        """The part of an update that tells of the step's failure where a search goes on with what it has."""
        if self.failure is None:
            return {}
        is_spent = isinstance(self.failure, BudgetExhausted)
        return {"search_stop_reason": stop_reason_for(self.failure), "error": None if is_spent else str(self.failure)}

    def update(self, stop: StopReason | SelfcriticError | None = None, **changes: Any) -> State:
        """A node's update: its changes, what has been spent, and the ending where the run stops here."""
        if isinstance(stop, SelfcriticError) and not isinstance(stop, BudgetExhausted):
            changes["error"] = str(stop)
        if stop is not None:
            changes["stop_reason"] = stop_reason_for(stop)
            answer = changes.get("answer", self.state.get("answer"))
            changes["messages"] = [AIMessage(answer)]
            self.tell("stopped", len(changes.get("rounds", self.rounds)) - 1, reason=changes["stop_reason"])
        return cast(State, {"usage": self._meter.usage, "capabilities": self._methods, **changes})

    def with_draft(self, draft: Round) -> list[Round]:
        """The rounds with the draft being worked on replaced."""
        return [*self.rounds[:-1], draft]


def models_for(part: Role, context: Context) -> list[BaseChatModel]:
    """The model that speaks a part, and behind it those that stand in for it."""
    return [get_model(spec) for spec in _specs_of(part, context)]


def _specs_of(part: Role, context: Context) -> list[str | BaseChatModel]:
    return [context.model_for(part), *context.fallbacks.get(part, [])]


async def preload(context: Context) -> None:
    """Read prompts, make models and import checkers, in a thread: it takes files, and a node may not block."""
    named = (model for part in get_args(Role) for model in _specs_of(part, context) if isinstance(model, str))
    checkers = (checker for checker in context.checkers if isinstance(checker, str))
    wanted = (context.prompts, context.prompt_dir, frozenset(named), frozenset(checkers))
    if wanted not in _prepared:
        await asyncio.to_thread(_prepare, context)
        _prepared.add(wanted)


_prepared: set[tuple[str, str | None, frozenset[str], frozenset[str]]] = set()
"""What is in the caches; to ask a thread every time would cost more than most nodes do."""


def _prepare(context: Context) -> None:
    prompts.load(context.prompts, context.prompt_dir)
    prompts.load("plain")  # of which reward models read
    get_checkers(context.checkers)
    for part in get_args(Role):
        with suppress(SelfcriticError):  # told by the node that asks the model: there may be a draft to come back with
            models_for(part, context)


def _is_checkpointed() -> bool:
    """Whether requests can be saved one by one: on a thread, and not from `invoke`, which saves node by node."""
    return not called_sync.get() and "thread_id" in ensure_config().get("configurable", {})


async def _save(name: str, ask: Callable[[], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
    """LangGraph's tasks are saved each at its end, and found again when the node they stand in is run again."""
    return cast(dict[str, Any], await cast(Any, task(name=name))(ask)())
