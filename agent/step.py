"""Give nodes their prompts, samplers and state updates."""

from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from typing import Any, Literal, cast
from uuid import uuid4

from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables.config import var_child_runnable_config
from langgraph.func import task
from langgraph.runtime import Runtime

from selfcritic import prompts
from selfcritic.agent.context import Context, Role
from selfcritic.agent.critic.examples import prompt_examples
from selfcritic.agent.critic.format import render
from selfcritic.agent.errors import BudgetExhausted, SelfcriticError
from selfcritic.agent.messages import ChatContext, get_context
from selfcritic.agent.sampling.budget import BudgetTracker, parent_budget
from selfcritic.agent.sampling.cache import open_cache
from selfcritic.agent.sampling.capabilities import recall
from selfcritic.agent.sampling.charges import current_journal
from selfcritic.agent.sampling.request import RequestPipeline
from selfcritic.agent.sampling.sampler import Sampler
from selfcritic.agent.sampling.tags import ANSWER_TAG, stream_message
from selfcritic.agent.schemas import Capabilities, Comment, Round, StopReason
from selfcritic.agent.state import State
from selfcritic.agent.stopping import stop_reason_for

called_sync: ContextVar[bool] = ContextVar("called_sync", default=False)
"""Whether the graph was called by `invoke` rather than `ainvoke`."""

Event = Literal["draft", "found", "judged", "critique", "scored", "selected", "stopped"]


class Step:
    """One execution of a node.

    Build each state update with `update`, so that usage is always saved.
    """

    def __init__(self, state: State, runtime: Runtime[Context]) -> None:
        self.state = state
        self.context = runtime.context
        self._write = runtime.stream_writer
        self._budget = BudgetTracker(
            self.context.budget, state.get("usage"), parent=parent_budget.get()
        )
        journal = current_journal.get()
        if journal is not None:
            self._budget.open_journal(journal)
        capabilities = state.get("capabilities", {})
        self._capabilities = {role: value.copy_learned() for role, value in capabilities.items()}
        self._prompts = self.context.load_prompts()

    @property
    def rounds(self) -> list[Round]:
        """All rounds of the run."""
        return self.state["rounds"]

    @property
    def round(self) -> Round:
        """The latest round."""
        return self.rounds[-1]

    def rounds_with(self, **changes: Any) -> list[Round]:
        """Return all rounds, with fields of the latest one replaced."""
        return [*self.rounds[:-1], self.round.model_copy(update=changes)]

    def render_prompt(self, name: prompts.PromptName, **data: str) -> list[BaseMessage]:
        """Render a prompt for this run's question and context."""
        question = self.state["question"]
        context = self.chat_context().text
        return self._prompts.render(
            name, self.context.task_type, question=question, context=context, **data
        )

    def chat_context(self) -> ChatContext:
        """Return the context of the question, and how much of the chat is left out."""
        max_chars = self.context.max_input_chars - len(self.state["question"])
        return get_context(self.state, max_chars, self.context.max_chat_chars)

    def critique_prompt(self, round_: Round, prefix: str = "") -> list[BaseMessage]:
        """Render the critique prompt for a draft, with the checkers' findings.

        A `prefix` is the start of a critique to continue.
        """
        data = {"answer": round_.answer, "findings": render(round_.findings)}
        if prefix:
            return self.render_prompt("continue", critique=prefix, **data)
        return self.render_prompt("critique", **data)

    def critique_examples(self) -> tuple[Comment, ...]:
        """Return the comments of the critique prompt's own example, which some models repeat."""
        return prompt_examples(self._prompts)

    def sampler(self, role: Role) -> Sampler:
        """Return the sampler for a role's model, charged to this run's budget."""
        pipeline = RequestPipeline(
            models=self.context.models_for(role),
            role=role,
            budget=self._budget,
            seed=self.context.seed,
            temperature=self.context.temperatures.get(role),
            max_tokens=self.context.max_output_tokens.get(role),
            capabilities=self._capabilities_of(role),
            retries=self.context.retries,
            checkpoint=_run_as_task if _saves_requests() else None,
            cache=open_cache(self.context.cache),
        )
        return Sampler(pipeline, retry_prompt=self._prompts.retry_verdict)

    @property
    def is_order_free(self) -> bool:
        """Whether requests may be sent in any order.

        A limited budget goes to requests in a fixed order, and checkpointed requests are found again by their order.
        """
        return not self._budget.is_limited and not _has_thread()

    def _capabilities_of(self, role: Role) -> Capabilities:
        """Return the model's capabilities, with what it showed in other roles and runs."""
        model = self.context.model_for(role)
        if role not in self._capabilities:
            self._capabilities[role] = recall(model)
        capabilities = self._capabilities[role]
        for other_role, other_capabilities in self._capabilities.items():
            if self.context.model_for(cast(Role, other_role)) == model:
                capabilities.reject(other_capabilities.rejected)
                capabilities.reasoning |= other_capabilities.reasoning
        return capabilities

    async def reserve(self, role: str) -> None:
        """Count a request that is not sent through a chat model. Raises BudgetExhausted."""
        self._budget.reserve(role, [])
        await self._budget.save_charge(role)

    def emit(self, event: Event, round_index: int | None = None, **data: Any) -> None:
        """Write an event to LangGraph's custom stream, by default for the latest round."""
        if round_index is None:
            round_index = len(self.rounds) - 1
        self._write({"event": event, "round": round_index, **data})

    def emit_stopped(
        self, reason: StopReason, error: str | None, round_index: int | None = None, **data: Any
    ) -> None:
        """Write the event that ends a run, with its usage so far."""
        usage = self._budget.usage.model_dump(mode="json")
        self.emit("stopped", round_index, reason=reason, error=error, usage=usage, **data)

    def update(self, stop: StopReason | SelfcriticError | None = None, **changes: Any) -> State:
        """Return a node's state update with the usage so far.

        Args:
            stop: Ends the run with the best draft, for this reason or because of this error.
            changes: The state keys to change.
        """
        if stop is not None:
            changes |= self._ending(stop, changes)
        return cast(
            State, {"usage": self._budget.usage, "capabilities": self._capabilities, **changes}
        )

    def _ending(
        self, stop: StopReason | SelfcriticError, changes: dict[str, Any]
    ) -> dict[str, Any]:
        ending: dict[str, Any] = {}
        reason = stop_reason_for(stop) if isinstance(stop, SelfcriticError) else stop
        if isinstance(stop, BudgetExhausted):
            if stop.last_error is not None:
                ending["error"] = str(stop)
        elif isinstance(stop, SelfcriticError):
            ending["error"] = str(stop)
        rounds: Sequence[Round] = changes.get("rounds", self.state.get("rounds", []))
        answer = changes.get("answer", self.state.get("answer", ""))
        best_round = changes.get("best_round", self.state.get("best_round", 0))
        self.emit_stopped(
            reason,
            ending.get("error", changes.get("error")),
            len(rounds) - 1,
            answer=answer,
            best_round=best_round,
        )
        return ending | {"stop_reason": reason, "messages": [answer_message(answer)]}


def answer_message(text: str) -> AIMessage:
    """Return the message that ends a run, and stream it."""
    message = AIMessage(text, id=str(uuid4()))
    stream_message(message, ANSWER_TAG)
    return message


def search_stopped_update(error: SelfcriticError | None) -> dict[str, Any]:
    """Return the update for an error that ended a critique search early."""
    if error is None:
        return {}
    is_plain_limit = isinstance(error, BudgetExhausted) and error.last_error is None
    message = None if is_plain_limit else str(error)
    return {"search_stop_reason": stop_reason_for(error), "error": message}


def _saves_requests() -> bool:
    """Whether requests are checkpointed one by one; `invoke` saves only whole nodes."""
    return _has_thread() and not called_sync.get()


def _has_thread() -> bool:
    """Whether the run is saved in a thread."""
    config = var_child_runnable_config.get() or {}
    return "thread_id" in config.get("configurable", {})


async def _run_as_task(
    name: str, request: Callable[[], Awaitable[dict[str, Any]]]
) -> dict[str, Any]:
    """Run a request as a LangGraph task, so a resumed run reuses its result.

    Each checkpoint lists the names of all tasks of its thread, so only the first digit of the hash is in the name. A
    result that was saved for another request, which a resumed node sent in another order, is not used.
    """

    async def run() -> dict[str, Any]:
        return {**await request(), "request": name}

    decorator: Any = task(name=_task_name(name))
    result = cast(dict[str, Any], await decorator(run)())
    if result.get("request") != name:
        return await request()
    return result


def _task_name(request_name: str) -> str:
    role, _, digest = request_name.partition(" ")
    return f"{role} {digest[:1]}"
