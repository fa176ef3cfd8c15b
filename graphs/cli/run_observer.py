"""Keep the latest state of `selfcritic run`; print and log its updates."""

from typing import cast

from pydantic import TypeAdapter

from selfcritic.agent.sampling.budget import BudgetTracker
from selfcritic.agent.schemas import Budget, Usage
from selfcritic.agent.state import Output, State, with_all_rounds
from selfcritic.graphs.cli.streams import EventsFile
from selfcritic.graphs.cli.trace import Trace


class RunObserver:
    """Keeps the latest state of a run; prints and logs updates."""

    def __init__(self, trace: Trace, events: EventsFile | None) -> None:
        self.trace = trace
        self.progress = trace.progress
        self.budget = BudgetTracker(Budget())
        """Counts the requests of this process, also those of a node that does not end."""
        self._usage_before = Usage()
        self._state: State = {}
        self._events = events

    @property
    def has_draft(self) -> bool:
        """Whether the run has an answer to return."""
        return "answer" in self._state

    @property
    def output(self) -> Output:
        """The latest state without the keys that are not output."""
        output = {key: value for key, value in self._state.items() if key in Output.__annotations__}
        return cast(Output, output)

    def on_state(self, state: State) -> None:
        """Keep a state of the run."""
        self._state = cast(State, dict(state))

    def on_saved_state(self, state: State) -> None:
        """Keep the state of an earlier process, which the run resumes from."""
        self.on_state(state)
        self._usage_before = state.get("usage", Usage())

    def on_update(self, node: str, update: State) -> None:
        """Print and log the update of a node."""
        with_rounds = with_all_rounds(self._state, update)
        if not self.has_draft:
            self.on_state(with_rounds)  # the state follows only if the checkpoint is saved
        self.trace.show(node, with_rounds)
        if self._events is not None:
            dumped = TypeAdapter(State).dump_python(update, mode="json")
            self._events.write({"node": node, "update": dumped})

    def interrupt(self, error: str | None = None) -> None:
        """Set the stop reason, the usage and the error if there is one."""
        self._state["stop_reason"] = "interrupted"
        self._state["usage"] = self._total_usage()
        if error is not None:
            self._state["error"] = error

    def _total_usage(self) -> Usage:
        """Return the usage of this process, added to that of earlier ones."""
        total = BudgetTracker(Budget(), self._usage_before)
        total.add(self.budget.usage)
        seconds = self._usage_before.seconds + self.budget.usage.seconds
        return total.usage.model_copy(update={"seconds": seconds})

    def end(self) -> None:
        """Print the stop reason and the usage."""
        state = self._state
        usage = state.get("usage", Usage())
        self.trace.end(state.get("stop_reason"), state.get("best_round", 0), usage)
