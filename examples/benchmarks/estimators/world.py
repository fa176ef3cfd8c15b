"""Sample answers, critiques, ratings and refinements with planted error rates.

The replies are those of the simulated model for the prompts that the graphs send, and the oracles grade them. The loop
itself is left out: at 60 tasks with 8 critiques of each answer, a repeat takes two CPU seconds this way and over a
minute through the graph. `graph_check` measures some runs of the real graph.
"""

import random
from dataclasses import dataclass, field, replace

from examples.benchmarks.estimators.planted import (
    ANSWERS,
    FIRST_SHOWN_RATE,
    KINDS,
    LONGER_RATE,
    STRENGTHS,
)
from selfcritic import prompts
from selfcritic.agent.critic.format import render
from selfcritic.agent.critic.grounding import ground
from selfcritic.agent.data.records import (
    AnswerRecord,
    Bug,
    CritiqueSample,
    Rating,
    RatingForm,
    Refinement,
)
from selfcritic.agent.evals.measures.elo import Preference
from selfcritic.agent.models.base import Reply
from selfcritic.agent.models.simulated import SimulatedModel
from selfcritic.agent.schemas import Critique
from selfcritic.agent.tasks import Addition, Alphabetize, Functions, Task, ThreeSat
from selfcritic.prompts import PromptName

POOL_SIZE = 8
"""Critiques of each answer."""
_NOISE = 0.1
"""Share of the form's scores that a rater gives at random."""
_NITPICK_RATES = (0.15, 0.4)
"""Share of critiques with a nitpick, for easy and hard tasks."""
_COPIED = 0.6
"""Share of second raters who agree with the first one without a look."""
_TASK_TYPES: list[type[Task]] = [
    Functions,
    *[ThreeSat] * 2,
    *[Alphabetize] * 4,
    *[Addition] * 13,
]
"""One task in 20 runs code in the sandbox, which takes most of the time."""
_PROMPTS = prompts.load()


@dataclass
class World:
    """Records and ratings of one repeat."""

    records: list[AnswerRecord] = field(default_factory=list)
    ratings: list[Rating] = field(default_factory=list)
    """Ratings of the rater "oracle", and of the judge "judge"."""
    preferences: list[Preference] = field(default_factory=list)
    biases: list[tuple[str, float, float]] = field(default_factory=list)
    """A task, and whether a judge preferred the first shown and the longer critique."""

    def without_clusters(self) -> "World":
        """Return the same data with one task for each answer, as if answers were independent."""
        records = [record.model_copy(update={"task": record.id}) for record in self.records]
        return replace(self, records=records)


def sample_world(seed: int, num_tasks: int) -> World:
    """Sample one repeat; equal seeds give equal data."""
    world = World()
    for number in range(num_tasks):
        task_type = _TASK_TYPES[number % len(_TASK_TYPES)]
        _sample_task(world, task_type, seed, number).add()
    return world


def sample_answers(seed: int, num_tasks: int) -> World:
    """Sample answers to additions, and verdicts on them: as `sample_world`, but fast."""
    world = World()
    for number in range(num_tasks):
        _sample_task(world, Addition, seed, number).add_answers(has_critiques=False)
    return world


def _sample_task(world: World, task_type: type[Task], seed: int, number: int) -> "_TaskSampler":
    rng = random.Random(f"{seed} {number}")
    task = task_type.generate(rng, task_type.sizes[len(task_type.sizes) // 2])
    return _TaskSampler(world, task, f"{seed}-{number}", rng)


class _TaskSampler:
    """Adds one task's answers to a world."""

    def __init__(self, world: World, task: Task, name: str, rng: random.Random) -> None:
        self.world = world
        self.task = task
        self.name = name
        self.rng = rng
        self.kind = rng.randrange(len(KINDS))
        # Verdicts on equal texts are equal, so answers to one task also share opinions.
        self.model = SimulatedModel(seed=rng.randrange(2**31), **vars(KINDS[self.kind]))

    def add(self) -> None:
        """Sample the answers to the task, and everything about them."""
        self.add_answers(has_critiques=True)
        self.add_preferences()

    def add_answers(self, *, has_critiques: bool) -> None:
        """Sample answers and verdicts, perhaps with critiques and refinements."""
        drafts = self.ask("generate", self.rng.choice(ANSWERS))
        for number, draft in enumerate(drafts):
            record = self.add_answer(f"{self.name}-{number}", draft.text)
            if has_critiques:
                self.add_critiques(record)

    def ask(
        self, name: PromptName, n: int = 1, *, seed: int | None = None, **data: str
    ) -> list[Reply]:
        """Send a prompt of the loop to the model."""
        messages = _PROMPTS.render(name, "question", question=self.task.question, **data)
        return self.model.sample(messages, n, seed)

    def new_seed(self) -> int:
        """Return a seed for a request whose replies differ between equal answers."""
        return self.rng.randrange(2**31)

    def add_answer(self, name: str, answer: str) -> AnswerRecord:
        """Sample the verdict on one answer."""
        [verdict] = self.ask("classify", answer=answer)
        record = AnswerRecord(
            id=name,
            task=self.name,
            task_type=self.task.name,
            question=self.task.question,
            answer=answer,
            is_correct=self.task.is_correct(answer),
            bugs=self.find_bugs(answer),
            p_critiqueable=verdict.p_yes,
            metadata={"verdict": verdict.text},
        )
        self.world.records.append(record)
        return record

    def add_critiques(self, record: AnswerRecord) -> None:
        """Sample critiques and refinements of an answer."""
        critiques = self.ask("critique", POOL_SIZE, seed=self.new_seed(), answer=record.answer)
        for number, reply in enumerate(critiques):
            self.add_critique(record, f"{record.id}-{number}", reply.text)
        record.refinements = [
            self.refine_by_critique(record),
            self.refine_directly(record, "direct"),
            self.refine_directly(record, "direct again"),
        ]

    def find_bugs(self, answer: str) -> list[Bug]:
        """Return the oracle's flaws as known bugs, in their places."""
        bugs = []
        for number, flaw in enumerate(self.task.flaws(answer)):
            [comment] = ground(render([flaw.comment]), answer).comments
            severity = "high" if number % 2 == 0 else "low"
            bugs.append(
                Bug(
                    id=str(number),
                    description=flaw.comment.text,
                    quote=comment.quote,
                    start=comment.start,
                    end=comment.end,
                    severity=severity,
                )
            )
        return bugs

    def add_critique(self, record: AnswerRecord, name: str, text: str) -> None:
        """Add a critique with its score, and ratings by the oracle and by the judge."""
        [verdict] = self.ask("helpfulness", answer=record.answer, critique=text)
        critique = ground(text, record.answer)
        record.critiques.append(
            CritiqueSample(
                **critique.model_dump(exclude={"reward"}),
                id=name,
                critic="simulated",
                reward=verdict.p_yes,
                calls=2,
            )
        )
        comments = critique.comments
        num_valid = sum(self.task.is_valid(record.answer, comment) for comment in comments)
        all_valid = bool(comments) and num_valid == len(comments) and not critique.ungrounded
        form = self.fill_form(record, critique, has_false=num_valid < len(comments))
        self.world.ratings += [
            Rating(
                record=record.id,
                critique=name,
                rater="oracle",
                rater_type="oracle",
                is_helpful=all_valid,
                form=form,
            ),
            Rating(
                record=record.id,
                critique=name,
                rater="judge",
                rater_type="judge",
                is_helpful=verdict.text == "Yes",
            ),
        ]

    def fill_form(self, record: AnswerRecord, critique: Critique, *, has_false: bool) -> RatingForm:
        """Rate a critique on CriticGPT's form, with random errors."""
        described = {comment.text for comment in critique.comments}
        included = {bug.id: bug.description in described for bug in record.bugs or []}
        has_nitpick = self.rng.random() < _NITPICK_RATES[self.kind]
        num_comments = len(critique.comments)
        return RatingForm(
            bug_inclusion={bug: self.score(7 if hit else 1) for bug, hit in included.items()},
            comprehensiveness=self.score(7 if all(included.values()) else 2),
            nitpick=self.score(6 if has_nitpick else 2),
            hallucinated_problem=self.score(7 if has_false else 1),
            conciseness=self.score(max(1, 8 - 2 * num_comments)),
            overall=self.score(2 if has_false else 6),
        )

    def score(self, value: int) -> int:
        """Return a score, or a random one for a share of them."""
        if self.rng.random() < _NOISE:
            return self.rng.randint(1, 7)
        return value

    def refine_by_critique(self, record: AnswerRecord) -> Refinement:
        """Refine a criticized draft by its most helpful critique, as the loop does."""
        if record.metadata["verdict"] == "No":
            return _refinement("loop", record.answer, self.task, calls=2)
        best = max(record.critiques, key=lambda critique: critique.reward or 0.0)
        calls = 2 + 1 + POOL_SIZE
        if (best.reward or 0.0) <= 0.5:
            return _refinement("loop", record.answer, self.task, calls=calls)
        [refined] = self.ask(
            "refine", seed=self.new_seed(), answer=record.answer, critique=best.text
        )
        return _refinement("loop", refined.text, self.task, calls=calls + 1)

    def refine_directly(self, record: AnswerRecord, arm: str) -> Refinement:
        """Refine a draft without a critique."""
        [refined] = self.ask("refine_directly", seed=self.new_seed(), answer=record.answer)
        return _refinement(arm, refined.text, self.task, calls=2)

    def add_preferences(self) -> None:
        """Compare all critics twice with planted strengths, and judge pairs with planted biases.

        A tie takes equal shares of wins and losses, so that the expected score is that of the strengths.
        """
        names = sorted(STRENGTHS)
        for place, first in enumerate(names):
            for second in names[place + 1 :]:
                margin = STRENGTHS[second] - STRENGTHS[first]
                expected = 1 / (1 + 10 ** (margin / 400))
                score = self.draw_score(expected)
                self.world.preferences.append(Preference(self.name, first, second, score))
                if self.rng.random() >= _COPIED:
                    score = self.draw_score(expected)
                self.world.preferences.append(Preference(self.name, second, first, 1 - score))
        # Half of a task's verdicts repeat one taste, which makes them depend on each other.
        taste = self.draw_biases()
        for number in range(6):
            first_shown, longer = taste if number % 2 else self.draw_biases()
            self.world.biases.append((self.name, first_shown, longer))

    def draw_score(self, expected: float) -> float:
        """Return 1, 0 or 0.5 (a tie), with this mean."""
        tie_rate = 0.5 * min(expected, 1 - expected)
        draw = self.rng.random()
        if draw < tie_rate:
            return 0.5
        return float(draw < tie_rate / 2 + expected)

    def draw_biases(self) -> tuple[float, float]:
        """Return whether the first shown and the longer critique are preferred."""
        first_shown = float(self.rng.random() < FIRST_SHOWN_RATE)
        longer = float(self.rng.random() < LONGER_RATE)
        return first_shown, longer


def _refinement(arm: str, answer: str, task: Task, calls: int) -> Refinement:
    return Refinement(arm=arm, answer=answer, is_correct=task.is_correct(answer), calls=calls)
