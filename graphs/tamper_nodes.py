"""Nodes of the tampering graph."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

from langchain_core.messages import HumanMessage
from langgraph.runtime import Runtime

from selfcritic.agent.context import Context, Role
from selfcritic.agent.data.records import AnswerRecord, CritiqueSample
from selfcritic.agent.data.tampering.checks import Oracle, check_original, create_oracle
from selfcritic.agent.data.tampering.descriptions import describe_flaw
from selfcritic.agent.data.tampering.edits import changed_lines
from selfcritic.agent.data.tampering.flaws import draw_edits
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
from selfcritic.agent.schemas import Critique, Round, Usage
from selfcritic.agent.state import State
from selfcritic.agent.step import Step
from selfcritic.graphs.tamper_state import (
    TamperState,
    dump_flaw,
    read_candidate,
    read_flaws,
    read_record,
)


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
    """Return whether a critic is named: the default model does not count."""
    return context.critic not in (None, "none")


class TamperNodes:
    """The nodes of the graph, with the options that they share."""

    def __init__(self, options: TamperOptions) -> None:
        self._options = options

    async def verify(self, state: TamperState, runtime: Runtime[Context]) -> TamperState:
        """Check that the answer is correct."""
        del runtime
        record = read_record(state)
        await asyncio.to_thread(check_original, record, self._oracle(record))
        return {"position": 0, "flaws": [], "caught": [], "failed": [], "counts": {}}

    async def insert(self, state: TamperState, runtime: Runtime[Context]) -> TamperState:
        """Make the next candidate, on lines without a flaw."""
        record = read_record(state)
        oracle = self._oracle(record)
        position = state["position"]
        flaws = read_flaws(state["flaws"])
        if self._options.insert == "model" and oracle.task is None:
            return await self._rewrite(state, record, runtime)
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
        return {"position": position + 1, "candidate": dump_flaw(to_flaw(edits[position]))}

    async def _rewrite(
        self, state: TamperState, record: AnswerRecord, runtime: Runtime[Context]
    ) -> TamperState:
        """Let the generator insert a flaw; an unusable reply is no candidate."""
        position = state["position"]
        offset = state.get("variant", 0) * self._options.max_candidates + position
        reply, usage = await _ask(state, runtime, insertion_prompt(record), offset)
        counts = dict(state["counts"])
        candidate = None
        try:
            edit = read_insertion(reply, record, _name_model(runtime.context, "generator"))
        except RewriteRejected:
            counts["unusable"] = counts.get("unusable", 0) + 1
        else:
            if not share_lines(record.answer, edit, read_flaws(state["flaws"])):
                candidate = to_flaw(edit)
        return {
            "position": position + 1,
            "candidate": dump_flaw(candidate),
            "counts": counts,
            "usage": usage,
        }

    async def check(self, state: TamperState, runtime: Runtime[Context]) -> TamperState:
        """Run the tests on the answer with the candidate, alone and with the accepted flaws."""
        del runtime
        record = read_record(state)
        oracle = self._oracle(record)
        candidate = read_candidate(state)
        flaws = read_flaws(state["flaws"])
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
        return {"candidate": dump_flaw(kept), "counts": counts, "failed": failed}

    async def describe(self, state: TamperState, runtime: Runtime[Context]) -> TamperState:
        """Write the description of the candidate."""
        record = read_record(state)
        candidate = read_candidate(state)
        if self._options.describe == "model":
            return await self._describe_with_model(state, record, runtime)
        update = {
            "description": describe_flaw(record.answer, candidate.edit, candidate.check),
            "describer": candidate.source if candidate.note else TEMPLATE,
        }
        return {"candidate": candidate.model_copy(update=update).model_dump(), "samples": []}

    async def _describe_with_model(
        self, state: TamperState, record: AnswerRecord, runtime: Runtime[Context]
    ) -> TamperState:
        """Let the generator describe the candidate; the template replaces an empty reply."""
        candidate = read_candidate(state)
        before, after = changed_lines(record.answer, candidate.edit)
        code = tamper_answer(record.answer, [candidate])
        evidence = f"{candidate.test or ''} {candidate.message}".strip()
        prompt = description_prompt(code, before, after, evidence)
        reply, usage = await _ask(state, runtime, prompt)
        description = read_description(reply)
        describer = f"model:{_name_model(runtime.context, 'generator')}"
        if not description:
            description = describe_flaw(record.answer, candidate.edit, candidate.check)
            describer = TEMPLATE
        update = {"description": description, "describer": describer}
        return {
            "candidate": candidate.model_copy(update=update).model_dump(),
            "samples": [],
            "usage": usage,
        }

    async def critique(self, state: TamperState, runtime: Runtime[Context]) -> TamperState:
        """Sample critiques of the answer with the candidate and the accepted flaws."""
        record = read_record(state)
        flaws = [*read_flaws(state["flaws"]), read_candidate(state)]
        answer = tamper_answer(record.answer, flaws)
        draft = Round(answer=answer)
        context = runtime.context.model_copy(
            update={
                "num_critiques": self._options.num_samples,
                "task_type": "code" if record.language else runtime.context.task_type,
            }
        )
        step = _create_step(state, runtime.override(context=context), [draft])
        critiques = await sample_critiques(step, draft)
        misses = count_misses(critiques, locate_flaw(record.answer, flaws, len(flaws) - 1))
        update = {"misses": misses, "samples": len(critiques)}
        candidate = flaws[-1].model_copy(update=update)
        return {
            "candidate": candidate.model_dump(),
            "samples": [critique.model_dump(mode="json") for critique in critiques],
            "usage": step.update()["usage"],
        }

    async def accept(self, state: TamperState, runtime: Runtime[Context]) -> TamperState:
        """Accept the candidate unless every sample of the critic finds it."""
        del runtime
        candidate = read_candidate(state)
        data = candidate.model_dump()
        if candidate.misses == 0:
            caught = [*state["caught"], data]
            samples = state.get("caught_samples") or state.get("samples", [])
            return {"caught": caught, "caught_samples": samples, "candidate": None}
        return {
            "flaws": [*state["flaws"], data],
            "critiques": state.get("samples", []),
            "candidate": None,
        }

    async def finish(self, state: TamperState, runtime: Runtime[Context]) -> TamperState:
        """Build the records."""
        record = read_record(state)
        record_id = state.get("id", record.id)
        split = state.get("split", "train")
        flaws = read_flaws(state["flaws"])
        kept_samples = state.get("critiques", [])
        if not flaws and state["caught"]:
            # The paper did not enforce its rule either.
            flaws = read_flaws(state["caught"])[:1]
            kept_samples = state.get("caught_samples", [])
        counts = dict(state["counts"])
        if state["caught"]:
            counts["caught"] = len(state["caught"])
        samples = [Critique.model_validate(data) for data in kept_samples]
        if samples:
            flaws = _count_all_misses(record.answer, flaws, samples)
        critiques = _name_samples(samples, runtime.context)
        result = None
        if flaws or state.get("num_bugs", 1) == 0:
            built = build_tampered(record, record_id, split, flaws, critiques, counts)
            result = built.model_dump(mode="json")
        rejected = []
        for index, flaw in enumerate(read_flaws(state["failed"]), 1):
            built = build_tampered(record, f"{record_id}!{index}", split, [flaw])
            rejected.append(built.model_dump(mode="json"))
        usage = state.get("usage", Usage())
        return {"result": result, "rejected": rejected, "counts": counts, "usage": usage}

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


def _create_step(
    state: TamperState, runtime: Runtime[Context], rounds: Sequence[Round] = ()
) -> Step:
    record = read_record(state)
    values = {
        "question": record.question,
        "context": record.context,
        "rounds": list(rounds),
        "usage": state.get("usage"),
    }
    return Step(cast(State, values), runtime)


async def _ask(
    state: TamperState, runtime: Runtime[Context], prompt: str, seed_offset: int = 0
) -> tuple[str, Usage]:
    """Return the generator's reply, and the usage of the run so far."""
    step = _create_step(state, runtime)
    sampler = step.sampler("generator").with_seed_offset(seed_offset)
    [sample, *_] = await sampler.sample([HumanMessage(prompt)])
    return sample.text, step.update()["usage"]


def _name_model(context: Context, role: Role) -> str:
    return model_name(context.models_for(role)[0])


def _name_samples(samples: list[Critique], context: Context) -> list[CritiqueSample]:
    """Return the critic's samples with its name."""
    if not samples:
        return []
    name = _name_model(context, "critic")
    named = []
    for index, sample in enumerate(samples, 1):
        named.append(CritiqueSample(id=f"{name}-{index}", critic=name, **sample.model_dump()))
    return named


def _count_all_misses(answer: str, flaws: list[Flaw], samples: list[Critique]) -> list[Flaw]:
    """Count the misses of each flaw in the samples of the whole answer."""
    counted = []
    for index, flaw in enumerate(flaws):
        misses = count_misses(samples, locate_flaw(answer, flaws, index))
        counted.append(flaw.model_copy(update={"misses": misses, "samples": len(samples)}))
    return counted
