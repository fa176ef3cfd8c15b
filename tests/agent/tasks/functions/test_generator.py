"""Test the size and the information of generated specifications."""

import random
import re

import pytest

from selfcritic.agent.errors import InputError
from selfcritic.agent.tasks.functions.task import Functions
from tests.support.functions_tasks import generate_tasks

_ENDING = re.compile(r"plus|minus|times|negated|but at|order|cut")


def test_generated_specifications_have_their_size_and_only_parts_that_matter():
    for index, task in enumerate(generate_tasks(120)):
        num_parts = task.question.count(". ") - 1
        if _ENDING.search(task.question):
            num_parts += 1
        assert num_parts == 1 + index % 6, task.question

        inputs = task.inputs()
        results = task.specification.run(inputs)
        assert len({str(result) for result in results}) > 4
        for simpler in task.specification.simplifications():
            assert simpler.run(inputs) != results


@pytest.mark.parametrize("size", [-1, 0, 7, 100])
def test_rejects_a_size_out_of_range(size: int):
    with pytest.raises(InputError, match="from 1 to 6"):
        Functions.generate(random.Random(0), size)
