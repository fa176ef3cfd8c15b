"""State and nodes of the tampering graph."""

import asyncio
from dataclasses import dataclass
from typing import Any, Literal, cast

from langchain_core.messages import HumanMessage
from langgraph.runtime import Runtime
from typing_extensions import TypedDict

from selfcritic.agent.context import Context
from selfcritic.agent.data.records import AnswerRecord, CritiqueSample
from selfcritic.agent.data.tampering.checks import Oracle, check_original, create_oracle
from selfcritic.agent.data.tampering.descriptions import describe_flaw
from selfcritic.agent.data.tampering.edits import Edit, changed_lines
from selfcritic.agent.data.tampering.flaws import draw_edits
from selfcritic.agent.data.tampering.plan import Split
from selfcritic.agent.data.tampering.rewriting import (
    RewriteRejected,
    description_prompt,
    insertion_prompt,
    read_description,
    read_insertion,
)
from selfcritic.agent.data.tampering.tampered import (
    TEMPLATE,
    Flaw,
    build_tampered,
    count_misses,
    locate_flaw,
    share_lines,
    tamper_answer,
    to_flaw,
)
from selfcritic.agent.models import model_name
from selfcritic.agent.nodes.critique import sample_critiques
from selfcritic.agent.schemas import Critique, Round
from selfcritic.agent.state import State
from selfcritic.agent.step import Step


class TamperInput(TypedDict, total=False):
    """A correct answer, and how to tamper with it."""

    record: dict[str, Any]
    """`AnswerRecord` as JSON."""
    id: str
    """Id of the new record (default: that of the answer)."""
    num_bugs: int
    """Flaws to insert (default 1); 0 only checks that the answer is correct."""
    variant: int
    """Number of this record among those of its answer (default 0)."""
    num_variants: int
    """Records of this answer (default 1); they share no flaw."""
    seed: int
    split: Split


class TamperOutput(TypedDict, total=False):
    """The tampered record, or why there is none."""

    result: dict[str, Any] | None
    """`AnswerRecord` as JSON; None if no silent flaw was found."""
    rejected: list[dict[str, Any]]
    """`AnswerRecord` of each flaw that crashes or hangs, as JSON."""
    counts: dict[str, int]
    """Candidate flaws by outcome."""


class TamperState(TamperInput, TamperOutput, total=False):
    """State of the graph; flaws are `Flaw` as JSON."""

    position: int
    """Candidates so far."""
    candidate: dict[str, Any] | None
    flaws: list[dict[str, Any]]
    """Accepted flaws."""
    caught: list[dict[str, Any]]
    """Silent flaws that all samples of the critic find."""
    failed: list[dict[str, Any]]
    """Flaws that crash or hang."""
    critiques: list[dict[str, Any]]
    """The critic's samples of the answer with all accepted flaws."""
    samples: list[dict[str, Any]]
    """The critic's samples of the answer with the candidate."""


@dataclass(frozen=True)
class TamperOptions:
    """Options of tampering that are not options of a run."""

    insert: Literal["operators", "model"] = "operators"
    """What inserts flaws into code; synthetic tasks have their own flaws."""
    describe: Literal["template", "model"] = "template"
    max_candidates: int = 20
    """Candidates to try for one record."""
    seconds: float = 5.0
    """Time limit of all tests of one answer."""
    num_samples: int = 3
    """Samples of the critic for each flaw."""


def has_critic(context: Context) -> bool:
    """Return whether a critic is named: the run's default model is none."""
    return context.critic not in (None, "none")


class TamperNodes:
    """The nodes of the graph, with the options that they share."""

    def __init__(self, options: TamperOptions) -> None:
        self._options = options

    async def verify(self, state: TamperState, runtime: Runtime[Context]) -> TamperState:
        """Check that the answer is correct."""
        del runtime
        record = _record(state)
        await asyncio.to_thread(check_original, record, self._oracle(record))
        return {"position": 0, "flaws": [], "caught": [], "failed": [], "counts": {}}

    async def insert(self, state: TamperState, runtime: Runtime[Context]) -> TamperState:
        """Make the next candidate, on lines without a flaw."""
        record = _record(state)
        oracle = self._oracle(record)
        position = state["position"]
        counts = dict(state["counts"])
        flaws = _flaws(state["flaws"])
        if self._options.insert == "model" and oracle.task is None:
            edit = await self._rewrite(record, runtime, position, counts)
            is_taken = edit is not None and share_lines(record.answer, edit, flaws)
            candidate = None if edit is None or is_taken else to_flaw(edit)
            return {
                "position": position + 1,
                "candidate": _dump(candidate),
                "counts": counts,
            }
        edits = await asyncio.to_thread(
            draw_edits,
            record,
            oracle.task,
            seed=state.get("seed", 0),
            variant=state.get("variant", 0),
            num_variants=state.get("num_variants", 1),
            count=self._options.max_candidates,
        )
        while position < len(edits) and share_lines(record.answer, edits[position], flaws):
            position += 1
        if position >= len(edits):
            return {"position": self._options.max_candidates, "candidate": None}
        return {"position": position + 1, "candidate": _dump(to_flaw(edits[position]))}

    async def _rewrite(
        self,
        record: AnswerRecord,
        runtime: Runtime[Context],
        position: int,
        counts: dict[str, int],
    ) -> Edit | None:
        prompt = insertion_prompt(record)
        name = model_name(runtime.context.models_for("generator")[0])
        sampler = _step(record, runtime).sampler("generator").with_seed_offset(position)
        [sample, *_] = await sampler.sample([HumanMessage(prompt)])
        try:
            return read_insertion(sample.text, record, name)
        except RewriteRejected:
            counts["unusable"] = counts.get("unusable", 0) + 1
            return None

    async def check(self, state: TamperState, runtime: Runtime[Context]) -> TamperState:
        """Run the tests on the answer with the candidate, alone and with the accepted flaws."""
        del runtime
        record = _record(state)
        oracle = self._oracle(record)
        candidate = _candidate(state)
        flaws = _flaws(state["flaws"])
        check = await asyncio.to_thread(oracle.check, tamper_answer(record.answer, [candidate]))
        candidate = candidate.model_copy(update=vars(check))
        counts = dict(state["counts"])
        counts[check.outcome] = counts.get(check.outcome, 0) + 1
        failed = list(state["failed"])
        if check.outcome in ("crashed", "timed_out"):
            description = describe_flaw(record.answer, candidate.edit, check)
            failed.append(candidate.model_copy(update={"description": description}).model_dump())
        if check.outcome == "silent" and flaws:
            answer = tamper_answer(record.answer, [*flaws, candidate])
            together = await asyncio.to_thread(oracle.check, answer)
            if together.outcome != "silent":
                # One flaw hides another, or both crash together.
                counts["incompatible"] = counts.get("incompatible", 0) + 1
                return {"candidate": None, "counts": counts, "failed": failed}
        kept = candidate if check.outcome == "silent" else None
        return {"candidate": _dump(kept), "counts": counts, "failed": failed}

    async def describe(self, state: TamperState, runtime: Runtime[Context]) -> TamperState:
        """Write the description of the candidate."""
        record = _record(state)
        candidate = _candidate(state)
        text = describe_flaw(record.answer, candidate.edit, candidate.check)
        describer = candidate.source if candidate.note else TEMPLATE
        if self._options.describe == "model":
            before, after = changed_lines(record.answer, candidate.edit)
            code = tamper_answer(record.answer, [candidate])
            evidence = " ".join(filter(None, (candidate.test, candidate.message)))
            prompt = description_prompt(code, before, after, evidence)
            [sample, *_] = (
                await _step(record, runtime).sampler("generator").sample([HumanMessage(prompt)])
            )
            reply = read_description(sample.text)
            if reply:
                text = reply
                name = model_name(runtime.context.models_for("generator")[0])
                describer = f"model:{name}"
        update = {"description": text, "describer": describer}
        return {"candidate": candidate.model_copy(update=update).model_dump(), "samples": []}

    async def critique(self, state: TamperState, runtime: Runtime[Context]) -> TamperState:
        """Sample critiques of the answer with the candidate and the accepted flaws."""
        record = _record(state)
        flaws = [*_flaws(state["flaws"]), _candidate(state)]
        answer = tamper_answer(record.answer, flaws)
        draft = Round(answer=answer)
        context = runtime.context.model_copy(
            update={
                "num_critiques": self._options.num_samples,
                "task_type": "code" if record.language else runtime.context.task_type,
            }
        )
        step = _step(record, runtime.override(context=context), [draft])
        critiques = await sample_critiques(step, draft)
        misses = count_misses(critiques, locate_flaw(record.answer, flaws, len(flaws) - 1))
        candidate = flaws[-1].model_copy(update={"misses": misses})
        return {
            "candidate": candidate.model_dump(),
            "samples": [critique.model_dump(mode="json") for critique in critiques],
        }

    async def accept(self, state: TamperState, runtime: Runtime[Context]) -> TamperState:
        """Accept the candidate unless every sample of the critic finds it."""
        del runtime
        candidate = _candidate(state)
        data = candidate.model_dump()
        if candidate.misses == 0:
            return {"caught": [*state["caught"], data], "candidate": None}
        return {
            "flaws": [*state["flaws"], data],
            "critiques": state.get("samples", []),
            "candidate": None,
        }

    async def finish(self, state: TamperState, runtime: Runtime[Context]) -> TamperState:
        """Build the records."""
        record = _record(state)
        record_id = state.get("id", record.id)
        split = state.get("split", "train")
        flaws = _flaws(state["flaws"]) or _flaws(state["caught"])[:1]
        counts = dict(state["counts"])
        if state["caught"]:
            counts["caught"] = len(state["caught"])
        samples = [Critique.model_validate(data) for data in state.get("critiques", [])]
        if samples:
            flaws = _count_all_misses(record.answer, flaws, samples)
        name = _critic_name(runtime.context)
        critiques = []
        for index, sample in enumerate(samples, 1):
            fields = sample.model_dump()
            critiques.append(CritiqueSample(id=f"{name}-{index}", critic=name, **fields))
        result = None
        if flaws or state.get("num_bugs", 1) == 0:
            built = build_tampered(record, record_id, split, flaws, critiques, counts)
            result = built.model_dump(mode="json")
        rejected = []
        for index, flaw in enumerate(_flaws(state["failed"]), 1):
            built = build_tampered(record, f"{record_id}!{index}", split, [flaw])
            rejected.append(built.model_dump(mode="json"))
        return {"result": result, "rejected": rejected, "counts": counts}

    def route(self, state: TamperState) -> str:
        """Insert another flaw, or finish."""
        is_complete = len(state["flaws"]) >= state.get("num_bugs", 1)
        is_exhausted = state["position"] >= self._options.max_candidates
        return "finish" if is_complete or is_exhausted else "insert"

    def after_insert(self, state: TamperState) -> str:
        """Check the candidate; without one, insert another or finish."""
        return self.route(state) if state["candidate"] is None else "check"

    def after_check(self, state: TamperState) -> str:
        """Describe a silent flaw; insert another instead of any other one."""
        return self.route(state) if state["candidate"] is None else "describe"

    def _oracle(self, record: AnswerRecord) -> Oracle:
        return create_oracle(record, self._options.seconds)


def _record(state: TamperState) -> AnswerRecord:
    return AnswerRecord.model_validate(state["record"])


def _candidate(state: TamperState) -> Flaw:
    return Flaw.model_validate(state["candidate"])


def _flaws(data: list[dict[str, Any]]) -> list[Flaw]:
    return [Flaw.model_validate(flaw) for flaw in data]


def _dump(flaw: Flaw | None) -> dict[str, Any] | None:
    return None if flaw is None else flaw.model_dump()


def _step(
    record: AnswerRecord, runtime: Runtime[Context], rounds: list[Round] | None = None
) -> Step:
    state = {"question": record.question, "context": record.context, "rounds": rounds or []}
    return Step(cast(State, state), runtime)


def _critic_name(context: Context) -> str:
    if not has_critic(context):
        return ""
    return model_name(context.models_for("critic")[0])


def _count_all_misses(answer: str, flaws: list[Flaw], samples: list[Critique]) -> list[Flaw]:
    """Count the misses of each flaw in the samples of the whole answer."""
    counted = []
    for index, flaw in enumerate(flaws):
        misses = count_misses(samples, locate_flaw(answer, flaws, index))
        counted.append(flaw.model_copy(update={"misses": misses}))
    return counted
