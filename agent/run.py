"""One step of a run as a node sees it: the options, the prompts, and one meter over all parts."""

from collections.abc import Sequence
from typing import Any, cast

from langchain_core.messages import AIMessage, BaseMessage

from selfcritic import prompts
from selfcritic.agent.context import Context, Part
from selfcritic.agent.models import shared
from selfcritic.agent.models.sampling import Meter, Sampler
from selfcritic.agent.schemas import Draft, StopReason
from selfcritic.agent.state import State


class Run:
    """What a node works with. Every update it returns goes through `update`, so that nothing spent is lost."""

    def __init__(self, state: State, context: Context) -> None:
        self.state = state
        self.context = context
        self._meter = Meter(context.budget, state.get("usage"))
        self._prompts = prompts.load(context.prompts, context.prompt_folder)

    @property
    def rounds(self) -> list[Draft]:
        """All rounds so far."""
        return self.state["rounds"]

    @property
    def draft(self) -> Draft:
        """The draft being worked on."""
        return self.rounds[-1]

    @property
    def out_of_budget(self) -> bool:
        """Whether a request of this step was refused."""
        return self._meter.exhausted

    def sampler(self, part: Part) -> Sampler:
        """The model that speaks a part, on the run's meter."""
        return Sampler(shared(self.context.spec_of(part)), part, self._meter, self.context.seed)

    def ask(self, role: prompts.Role, **data: str) -> list[BaseMessage]:
        """The messages that ask for a role's part in this run's question."""
        question, context = self.state["question"], self.state.get("context", "")
        return self._prompts.render(role, self.context.kind, question=question, context=context, **data)

    def update(self, stop: StopReason | None = None, **changes: Any) -> State:
        """A node's update: its changes, what has been spent, and the ending where the run stops here."""
        if stop is not None:
            changes |= {"stop_reason": stop, "messages": [AIMessage(changes.get("answer", self.state.get("answer")))]}
        return cast(State, {"usage": self._meter.usage, **changes})

    def with_draft(self, draft: Draft) -> list[Draft]:
        """The rounds with the draft being worked on replaced."""
        return [*self.rounds[:-1], draft]


def best_of(rounds: Sequence[Draft]) -> int:
    """The round of the best draft: the least critiqueable, the earliest of equals; an unjudged one only if all are."""
    return min(range(len(rounds)), key=lambda i: p if (p := rounds[i].p_critiqueable) is not None else 2.0)
