"""Descriptions of flaws from operators and tests."""

import random

import pytest

from selfcritic.agent.data.tampering.checks import Check
from selfcritic.agent.data.tampering.descriptions import describe_flaw
from selfcritic.agent.data.tampering.edits import Edit
from selfcritic.agent.data.tampering.operators import apply_mutation, find_mutations

CODE = "def f(x):\n    return x < 3 and not -x or x + y is True\n"
SILENT = Check("silent", "check(f)", "f(3) is True")


def test_names_problem_correction_and_consequence():
    start = CODE.index("<")
    edit = Edit(start, start + 1, "<=", "ReplaceComparisonOperator_Lt_LtE")
    assert describe_flaw(CODE, edit, SILENT) == (
        "This comparison is wrong at its boundary. The line should be `return x < 3 and not -x or x + y is True`. "
        "Because of this line alone, f(3) is True."
    )


def test_describes_every_operator_and_never_hints_at_tampering():
    descriptions = set()
    for mutation in find_mutations(CODE, random.Random(0)):
        edit = apply_mutation(CODE, mutation)
        if edit is not None:
            text = describe_flaw(CODE, edit, Check("survived"))
            descriptions.add(text.partition(". ")[0])
            assert "This line is wrong" not in text
    assert len(descriptions) >= 8
    assert not [text for text in descriptions if "changed" in text or "replaced" in text]


@pytest.mark.parametrize("note", ["The carry is lost", "The carry is lost."])
def test_keeps_the_description_of_the_source(note: str):
    edit = Edit(0, 3, "x", "task:addition", note)
    check = Check("silent", "oracle", "should be 4")
    assert describe_flaw(CODE, edit, check) == "The carry is lost."


def test_shows_a_correction_of_several_lines_as_a_block():
    edit = Edit(0, len(CODE), "def f(x):\n    return 1\n", "other")
    assert "It should be:\ndef f(x):\n    return" in describe_flaw(CODE, edit, Check("crashed"))


def test_shortens_long_messages():
    start = CODE.index("<")
    edit = Edit(start, start + 1, ">", "ReplaceComparisonOperator_Lt_Gt")
    text = describe_flaw(CODE, edit, Check("silent", "t", "f(1) is " + "9 " * 500))
    assert len(text) < 400
    assert text.endswith(" ….")
