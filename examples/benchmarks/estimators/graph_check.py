"""Measure a small run of the real graph on the planted rates."""

import random

from examples.benchmarks.estimators.measures import Values, measure_answers
from examples.benchmarks.estimators.planted import KINDS
from examples.benchmarks.estimators.world import World
from selfcritic.agent import Context
from selfcritic.agent.data.records import AnswerRecord
from selfcritic.agent.models.simulated import SimulatedModel
from selfcritic.agent.tasks import Addition
from selfcritic.graphs import create_self_critique

_SIZE = 4
"""Digits of the numbers to add."""


def measure_graph(num_tasks: int) -> Values:
    """Return the measures of the first drafts of runs of the graph, and of the verdicts on them."""
    graph = create_self_critique(max_rounds=0).compile()
    world = World()
    for number in range(num_tasks):
        rng = random.Random(f"graph {number}")
        task = Addition.generate(rng, _SIZE)
        model = SimulatedModel(seed=number, **vars(KINDS[number % len(KINDS)]))
        output = graph.invoke({"question": task.question}, context=Context(model=model))
        [first] = output["rounds"]
        world.records.append(
            AnswerRecord(
                id=str(number),
                task=task.id,
                question=task.question,
                answer=first.answer,
                is_correct=task.is_correct(first.answer),
                p_critiqueable=first.p_critiqueable,
            )
        )
    return measure_answers(world)
