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
from selfcritic.agent.checkers.registry import checkers_named
from selfcritic.agent.context import Context, Part
from selfcritic.agent.critic.format import render
from selfcritic.agent.errors import BudgetExhausted, SelfcriticError
from selfcritic.agent.messages import material_of
from selfcritic.agent.models import shared
from selfcritic.agent.sampling.budget import Meter, above
from selfcritic.agent.sampling.sampler import Sampler
from selfcritic.agent.schemas import Draft, Method, StopReason
from selfcritic.agent.state import State
from selfcritic.agent.stopping import reason_of

is_synchronous: ContextVar[bool] = ContextVar("is_synchronous", default=False)
"""Whether the graph was called by `invoke` rather than `ainvoke`."""


Event = Literal["draft", "found", "judged", "critique", "scored", "selected", "stopped"]


class Run:
    """What a node works with. Every update it returns goes through `update`, so that nothing spent is lost."""

    def __init__(self, state: State, runtime: Runtime[Context]) -> None:
        self.state = state
        self.context = context = runtime.context
        self._write = runtime.stream_writer
        self.failure: SelfcriticError | None = None
        """The last failure of this step that was passed over because others brought what it did not."""
        self._meter = Meter(context.budget, state.get("usage"), parent=above.get())
        self._methods = {part: method.model_copy(deep=True) for part, method in state.get("methods", {}).items()}
        self._prompts = prompts.load(context.prompts, context.prompt_folder)

    @property
    def rounds(self) -> list[Draft]:
        """All rounds so far."""
        return self.state["rounds"]

    @property
    def draft(self) -> Draft:
        """The draft being worked on."""
        return self.rounds[-1]

    def reserve(self, part: str) -> None:
        """Count a request that is none of a chat model's; raises BudgetExhausted where it must not be sent."""
        self._meter.reserve(part, [])

    def tell(self, event: Event, round_: int, **what: Any) -> None:
        """Stream what has just happened in a round, to those who listen to LangGraph's custom stream."""
        self._write({"event": event, "round": round_, **what})

    def sampler(self, part: Part) -> Sampler:
        """The model that speaks a part, on the run's meter."""
        return Sampler(
            models=models_of(part, self.context),
            part=part,
            meter=self._meter,
            seed=self.context.seed,
            temperature=self.context.temperatures.get(part),
            method=self._method(part),
            retries=self.context.retries,
            save=_save if _is_checkpointed() else None,
        )

    def _method(self, part: Part) -> Method:
        """What was found of a part's model; what the same model refused in another part, it refuses in this one."""
        method = self._methods.setdefault(part, Method())
        for other, found in self._methods.items():
            if self.context.spec_of(cast(Part, other)) == self.context.spec_of(part):
                method.refused += [name for name in found.refused if name not in method.refused]
        return method

    def ask_for_critiques(self, draft: Draft, critique: str = "") -> list[BaseMessage]:
        """The messages that ask for critiques of a draft, or for one to be continued; they tell what tools found."""
        told = {"answer": draft.answer, "findings": render(draft.findings)}
        return self.ask("continue", critique=critique, **told) if critique else self.ask("critique", **told)

    def ask(self, role: prompts.Role, **data: str) -> list[BaseMessage]:
        """The messages that ask for a role's part in this run's question."""
        question = self.state["question"]
        material = material_of(self.state, self.context.max_characters - len(question))
        return self._prompts.render(role, self.context.kind, question=question, context=material, **data)

    def cut_short(self) -> dict[str, Any]:
        """The part of an update that tells of the step's failure where a search goes on with what it has."""
        if self.failure is None:
            return {}
        is_spent = isinstance(self.failure, BudgetExhausted)
        return {"cut_short": reason_of(self.failure), "error": None if is_spent else str(self.failure)}

    def update(self, stop: StopReason | SelfcriticError | None = None, **changes: Any) -> State:
        """A node's update: its changes, what has been spent, and the ending where the run stops here."""
        if isinstance(stop, SelfcriticError) and not isinstance(stop, BudgetExhausted):
            changes["error"] = str(stop)
        if stop is not None:
            changes["stop_reason"] = reason_of(stop)
            answer = changes.get("answer", self.state.get("answer"))
            changes["messages"] = [AIMessage(answer)]
            self.tell("stopped", len(changes.get("rounds", self.rounds)) - 1, reason=changes["stop_reason"])
        return cast(State, {"usage": self._meter.usage, "methods": self._methods, **changes})

    def with_draft(self, draft: Draft) -> list[Draft]:
        """The rounds with the draft being worked on replaced."""
        return [*self.rounds[:-1], draft]


def models_of(part: Part, context: Context) -> list[BaseChatModel]:
    """The model that speaks a part, and behind it those that stand in for it."""
    return [shared(spec) for spec in _specs_of(part, context)]


def _specs_of(part: Part, context: Context) -> list[str | BaseChatModel]:
    return [context.spec_of(part), *context.fallbacks.get(part, [])]


async def prepare(context: Context) -> None:
    """Read prompts, make models and import checkers, in a thread: it takes files, and a node may not block."""
    named = (model for part in get_args(Part) for model in _specs_of(part, context) if isinstance(model, str))
    checkers = (checker for checker in context.checkers if isinstance(checker, str))
    wanted = (context.prompts, context.prompt_folder, frozenset(named), frozenset(checkers))
    if wanted not in _prepared:
        await asyncio.to_thread(_prepare, context)
        _prepared.add(wanted)


_prepared: set[tuple[str, str | None, frozenset[str], frozenset[str]]] = set()
"""What is in the caches; to ask a thread every time would cost more than most nodes do."""


def _prepare(context: Context) -> None:
    prompts.load(context.prompts, context.prompt_folder)
    prompts.load("plain")  # of which reward models read
    checkers_named(context.checkers)
    for part in get_args(Part):
        with suppress(SelfcriticError):  # told by the node that asks the model: there may be a draft to come back with
            models_of(part, context)


def _is_checkpointed() -> bool:
    """Whether requests can be saved one by one: on a thread, and not from `invoke`, which saves node by node."""
    return not is_synchronous.get() and "thread_id" in ensure_config().get("configurable", {})


async def _save(name: str, ask: Callable[[], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
    """LangGraph's tasks are saved each at its end, and found again when the node they stand in is run again."""
    return cast(dict[str, Any], await cast(Any, task(name=name))(ask)())
