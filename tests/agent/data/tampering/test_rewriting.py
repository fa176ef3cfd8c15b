"""Bugs that models insert: one place, several tokens, no hints."""

import pytest

from selfcritic.agent.data.records import AnswerRecord
from selfcritic.agent.data.tampering.edits import apply_edits, changed_lines
from selfcritic.agent.data.tampering.rewriting import (
    RewriteRejected,
    description_prompt,
    insertion_prompt,
    read_description,
    read_insertion,
)

CODE = '''\
def f(xs):
    """Return the sum of the positive numbers."""
    total = 0  # so far
    for x in xs:
        if x > 0:
            total += x
    return total
'''


def record(answer: str = CODE) -> AnswerRecord:
    return AnswerRecord(id="a", task="t", question="Sum.", answer=answer, language="python")


def reply(old: str, new: str, text: str = "Bug: Zero is counted.") -> str:
    assert old in CODE
    return f"Sure!\n\n```python\n{CODE.replace(old, new)}```\n\n{text}"


def test_reads_the_edit_and_its_description():
    edit = read_insertion(reply("if x > 0:", "if x > 0 or not total:"), record(), "m")
    assert changed_lines(CODE, edit) == ("if x > 0:", "if x > 0 or not total:")
    assert (edit.source, edit.description) == ("model:m", "Zero is counted.")


def test_edits_code_within_an_answer():
    answer = f"Here it is:\n\n```python\n{CODE}```\nDone.\n"
    edit = read_insertion(reply("total += x", "total = x + 1"), record(answer), "m")
    assert apply_edits(answer, [edit]) == answer.replace("total += x", "total = x + 1")


@pytest.mark.parametrize("text", ["", "**Bug:** Zero is counted.", "BUG: Zero is counted.\nMore."])
def test_the_description_is_optional(text: str):
    edit = read_insertion(reply("if x > 0:", "if x > 0 or not total:", text), record(), "m")
    assert edit.description == ("Zero is counted." if text else "")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("I cannot do that.", "no code block"),
        ("```python\n```", "comments or docstrings"),
        (reply("if x > 0:", "if x > 0:"), "same, or is not valid"),
        (reply("if x > 0:", "if  x  >  0:"), "same, or is not valid"),
        (reply("if x > 0:", "if x > :"), "same, or is not valid"),
        (reply("# so far", "# wrong start"), "same, or is not valid"),
        (reply("total = 0  # so far", "total = 1 - 2  # bug here"), "comments or docstrings"),
        (reply("positive numbers", "numbers"), "comments or docstrings"),
        (reply("return total", "return total - 1 + 2  # BUG"), "comments or docstrings"),
        (reply("if x > 0:", "if x >= 0:"), "only one token"),
        (
            f"```\n{CODE.replace('= 0', '= 1 + 2').replace('return total', 'return -total - 1')}```",
            "several places",
        ),
    ],
)
def test_rejects_what_is_not_one_subtle_bug(text: str, reason: str):
    with pytest.raises(RewriteRejected, match=reason):
        read_insertion(text, record(), "m")


def test_prompts_contain_the_code_and_the_lines():
    assert CODE.strip() in insertion_prompt(record())
    prompt = description_prompt(CODE, "x > 0", "x >= 0", "")
    assert all(text in prompt for text in (CODE.strip(), "x > 0", "x >= 0", "unknown"))


@pytest.mark.parametrize(
    ("text", "description"),
    [
        ("Zero counts.", "Zero counts."),
        ("```python\nx\n```\nBug: Zero counts.", "Zero counts."),
        ("```python\nx\n```", ""),
        (" \n", ""),
        ("x" * 5000, "x" * 1000),
    ],
)
def test_reads_descriptions(text: str, description: str):
    assert read_description(text) == description
