"""Tests of the supervised examples of all roles."""

import pytest

from selfcritic.agent.critic.format import parse
from selfcritic.agent.critic.grounding import ground
from selfcritic.agent.data.records import AnswerRecord, Bug, Rating
from selfcritic.agent.errors import InputError
from selfcritic.agent.training.sft_examples import Example, count_unplaced, create_examples
from tests.support.small_llama import flawed_sums

CODE = "def f(x):\n    y = x + 1\n    if y < 3:\n        return y\n    return 0\n"
BUGS = [
    Bug(id="2", description="It must be y > 3.", quote="    if y < 3:"),
    Bug(id="1", description="It must be x - 1.", quote="    y = x + 1"),
]
RECORD = AnswerRecord(
    id="a",
    task="t",
    question="Write f.",
    answer=CODE,
    origin="inserted",
    language="python",
    is_correct=False,
    bugs=BUGS,
    metadata={"original": CODE.replace("< 3", "> 3").replace("+ 1", "- 1")},
)


def by_prompt(examples: list[Example], name: str) -> list[Example]:
    return [example for example in examples if example.prompt_name == name]


def test_creates_examples_of_every_role():
    examples = create_examples([RECORD])
    names = {example.prompt_name for example in examples}
    assert names == {"classify", "critique", "helpfulness", "refine", "refine_directly", "generate"}
    assert [example.reply for example in by_prompt(examples, "classify")] == ["Yes"]
    [refine] = by_prompt(examples, "refine")
    assert refine.reply == RECORD.metadata["original"]


def test_bugs_without_a_place_are_counted():
    missing = BUGS[0].model_copy(update={"quote": "NOT THERE"})
    some = RECORD.model_copy(update={"bugs": [missing, BUGS[1]]})
    correct = RECORD.model_copy(update={"bugs": []})
    assert count_unplaced([RECORD, some, correct]) == 1
    assert count_unplaced([correct]) == 0
    only = RECORD.model_copy(update={"bugs": [missing]})
    with pytest.raises(InputError, match=r"--data has 1 bugs .* no bug has a `quote` that occurs"):
        count_unplaced([only, correct])


def test_a_gold_critique_quotes_in_the_order_of_the_answer():
    examples = by_prompt(create_examples([RECORD]), "critique")
    [whole] = [example for example in examples if not example.prefix]
    quotes = [comment.quote.strip() for comment in parse(whole.reply).comments]
    assert quotes == ["y = x + 1", "if y < 3:"]


def test_a_continued_critique_ends_its_prefix_with_an_open_fence():
    examples = by_prompt(create_examples([RECORD]), "critique")
    [whole] = [example for example in examples if not example.prefix]
    [continued] = [example for example in examples if example.prefix]
    assert continued.prefix.endswith("\n\n```\n")
    assert continued.prefix + continued.reply == whole.reply


def test_false_comments_quote_sound_lines():
    for seed in range(20):
        examples = by_prompt(create_examples([RECORD], seed=seed), "helpfulness")
        assert sorted(example.reply for example in examples) == ["No", "Yes", "Yes"]
        [false] = [example for example in examples if example.reply == "No"]
        [comment] = ground(false.data["critique"], CODE).comments
        assert comment.quote.strip() not in ("if y < 3:", "y = x + 1")


def test_a_clean_answer_has_no_critique_to_learn():
    clean = RECORD.model_copy(update={"bugs": [], "is_correct": True, "metadata": {}})
    examples = create_examples([clean])
    assert by_prompt(examples, "critique") == []
    assert [example.reply for example in by_prompt(examples, "classify")] == ["No"]


def test_an_answer_with_unknown_bugs_has_no_verdict():
    unknown = RECORD.model_copy(update={"bugs": None, "is_correct": None, "metadata": {}})
    assert create_examples([unknown]) == []


def test_rated_critiques_become_verdicts():
    gold = Rating(record="a", critique="gold", rater="p", rater_type="human", is_helpful=False)
    other = Rating(record="b", critique="gold", rater="p", rater_type="human", is_helpful=True)
    plain = by_prompt(create_examples([RECORD]), "helpfulness")
    rated = by_prompt(create_examples([RECORD], [gold, other]), "helpfulness")
    assert len(rated) == len(plain) + 1


def test_the_order_depends_on_the_seed_only():
    records = flawed_sums()
    assert create_examples(records, seed=1) == create_examples(records, seed=1)
    assert create_examples(records, seed=1) != create_examples(records, seed=2)
