"""Let the checkers look at an answer: what they find is known before any model's opinion."""

from langgraph.runtime import Runtime

from selfcritic.agent.checkers.registry import checkers_named, findings_of
from selfcritic.agent.context import Context
from selfcritic.agent.errors import SelfcriticError
from selfcritic.agent.run import Run
from selfcritic.agent.schemas import Comment
from selfcritic.agent.state import State


async def examine(state: State, runtime: Runtime[Context]) -> State:
    """Keep what the checkers find with the draft; a review ends where one of them fails."""
    run = Run(state, runtime)
    findings = await found_in(run, run.draft.answer)
    return run.update(stop=run.failure, rounds=run.with_draft(run.draft.model_copy(update={"findings": findings})))


async def found_in(run: Run, answer: str) -> list[Comment]:
    """The findings; none where a checker failed, and `run.failure` says so."""
    try:
        findings = await findings_of(checkers_named(run.context.checkers), run.state["question"], answer)
    except SelfcriticError as failure:
        run.failure = failure
        return []
    for finding in findings:
        run.tell("found", len(run.rounds) - 1, finding=finding.model_dump(mode="json"))
    return findings
