"""Candidate flaws: variants, languages and where the code of an answer is."""

import pytest

from selfcritic.agent.data.records import AnswerRecord
from selfcritic.agent.data.tampering.edits import Edit, apply_edits
from selfcritic.agent.data.tampering.flaws import draw_edits, find_code_span
from selfcritic.agent.errors import InputError
from selfcritic.agent.tasks import TASKS, Addition

CODE = "def f(a, b):\n    if a < b + 1:\n        return a * 2\n    return b - 3\n"


def record(answer: str = CODE, language: str | None = "python") -> AnswerRecord:
    return AnswerRecord(id="a", task="t", question="?", answer=answer, language=language)


def test_variants_share_no_edit():
    drawn: list[Edit] = []
    for variant in range(3):
        drawn += draw_edits(record(), None, seed=0, variant=variant, num_variants=3, count=100)
    texts = [apply_edits(CODE, [edit]) for edit in drawn]
    assert len(texts) == len(set(texts)) > 10
    again = draw_edits(record(), None, seed=0, variant=0, num_variants=3, count=4)
    assert list(again) == drawn[:4]


def test_edits_of_a_fenced_answer_are_inside_the_fence():
    answer = f"Take 1 < 2:\n\n```python\n{CODE}```\n"
    for edit in draw_edits(record(answer, None), None, seed=0, variant=0, num_variants=1, count=9):
        assert answer.index(CODE) <= edit.start < answer.index(CODE) + len(CODE)


def test_tasks_have_their_own_flaws():
    task = Addition.parse("What is 128 + 256?")
    assert task is not None
    edits = draw_edits(record("384", None), task, seed=0, variant=0, num_variants=1, count=5)
    assert len(edits) == 5
    for edit in edits:
        assert not task.is_correct(apply_edits("384", [edit]))
        assert edit.source == "task:addition"
        assert edit.description
    assert Addition in TASKS


@pytest.mark.parametrize(
    ("answer", "language", "message"),
    [
        ("fn main() {}", "rust", "The answer is rust"),
        ("Paris is the capital.", None, "no Python code"),
        ("- Do:\n\n  ```python\n  x = 1\n  y = 2\n  ```\n", None, "fence of the code is indented"),
    ],
)
def test_explains_answers_that_it_cannot_edit(answer: str, language: str | None, message: str):
    with pytest.raises(InputError, match=message):
        find_code_span(record(answer, language))
