"""Tests of the task ThreeSat, compared with all possible assignments."""

from itertools import product
from random import Random

import pytest

from selfcritic.agent.errors import InputError
from selfcritic.agent.schemas import Comment
from selfcritic.agent.tasks import ThreeSat

TEA_TASK = ThreeSat.parse(ThreeSat.example)
assert TEA_TASK is not None
Values = dict[str, str]


def all_assignments(task: ThreeSat) -> list[Values]:
    combinations = product(task.things, repeat=len(task.people))
    return [dict(zip(task.people, things, strict=True)) for things in combinations]


def broken_rules(task: ThreeSat, values: Values) -> list[int]:
    broken = []
    for number, rule in enumerate(task.rules, 1):
        if not any(values.get(person, thing) == thing for person, thing in rule):
            broken.append(number)
    return broken


def all_solutions(task: ThreeSat) -> list[Values]:
    return [values for values in all_assignments(task) if not broken_rules(task, values)]


def count_changes(before: Values, after: Values) -> int:
    return sum(after[person] != thing for person, thing in before.items())


def write_answer(values: Values) -> str:
    return "\n".join(f"{person} takes {thing}" for person, thing in values.items())


@pytest.mark.parametrize(
    "question",
    [
        "Ann takes soup or Bob takes salad\nBob takes soup or Cy takes salad or Ann takes salad",
        "Rule 1: either Ann takes soup, or Bob takes salad. Rule 2: Bob takes soup or\n"
        "Cy takes salad\nor Ann takes salad",
        "Hi! Please find a choice. Everyone takes soup or salad.\n\n1) Ann takes soup or Bob takes salad\n"
        "2) Bob takes Soup or Cy takes salad or Ann takes salad\nThanks!",
        "Serve soup or salad to Ann, Bob, and Cy so that these rules hold: Ann takes soup or Bob takes salad; "
        "Bob takes soup or Cy takes salad or Ann takes salad.",
    ],
)
def test_parses_typed_questions(question: str):
    task = ThreeSat.parse(question)
    assert task is not None
    assert (task.people, task.things) == (("Ann", "Bob", "Cy"), ("salad", "soup"))
    assert task.rules == (
        (("Ann", "soup"), ("Bob", "salad")),
        (("Bob", "soup"), ("Cy", "salad"), ("Ann", "salad")),
    )


@pytest.mark.parametrize(
    "question",
    [
        "If Ann takes tea then Bob takes milk. Ann takes tea or Bob takes milk.",
        "Rules: Ann takes tea or Bob takes milk or Cy takes cocoa.",
        "Rules: Ann takes tea or Bob takes tea.",
        "Rules: Ann takes tea. Bob takes milk.",
        "Rules: the first takes tea or the second takes milk.",
        "Ann takes tea or Bob takes milk. Do you like poems?",
    ],
)
def test_rejects_other_rules(question: str):
    assert ThreeSat.parse(question) is None


def test_people_without_rules_must_take_something():
    task = ThreeSat.parse(
        "Serve tea or milk to Ann, Bob and Zoe. Rules: Ann takes tea or Bob takes milk."
    )
    assert task is not None
    assert task.people == ("Ann", "Bob", "Zoe")
    assert task.is_correct("Ann: tea, Bob: tea, Zoe: milk")
    assert not task.is_correct("Ann: tea, Bob: tea")


def test_rejects_contradictory_rules_and_too_many_people():
    with pytest.raises(InputError, match="no choice satisfies"):
        ThreeSat.parse("Rules: Ann takes tea or Bob takes tea. Ann takes milk. Bob takes milk.")
    rules = "; ".join(f"P{number} takes tea or P{number + 1} takes milk" for number in range(20))
    with pytest.raises(InputError, match="at most 20"):
        ThreeSat.parse(f"Rules: {rules}")


@pytest.mark.parametrize("seed", range(6))
def test_flaws_are_the_broken_rules_and_lead_to_the_nearest_solution(seed: int):
    task = ThreeSat.generate(Random(seed), 3 + seed % 4)
    solutions = all_solutions(task)
    assert solutions
    for values in all_assignments(task):
        answer = write_answer(values)
        flaws = task.flaws(answer)
        kinds_and_rules = [(flaw.kind, int(flaw.comment.text.split()[2])) for flaw in flaws]
        assert kinds_and_rules == [("rule", number) for number in broken_rules(task, values)]
        assert task.is_correct(answer) == (values in solutions)
        nearest = task._nearest_solution(values)
        assert nearest in solutions
        assert count_changes(values, nearest) == min(
            count_changes(values, solution) for solution in solutions
        )
        for flaw in flaws:
            fix = flaw.comment.text.rpartition(": ")[2].rstrip(".")
            person, _, _, thing = fix.split()
            assert flaw.comment.quote == f"{person} takes {values[person]}"
            assert nearest[person] == thing != values[person]


@pytest.mark.parametrize("seed", range(4))
def test_completes_a_partial_answer_with_the_fewest_changes(seed: int):
    rng = Random(seed)
    task = ThreeSat.generate(rng, 6)
    solutions = all_solutions(task)
    for values in rng.sample(all_assignments(task), 20):
        partial = {person: values[person] for person in rng.sample(task.people, 3)}
        nearest = task._nearest_solution(partial)
        assert nearest in solutions
        assert count_changes(partial, nearest) == min(
            count_changes(partial, solution) for solution in solutions
        )
        answer = write_answer(partial)
        flaws = task.flaws(answer)
        assert sum(flaw.kind == "person" for flaw in flaws) == 3
        assert all(task.is_valid(answer, flaw.comment) for flaw in flaws)


def test_generates_many_rules_of_three_people():
    for seed in range(50):
        size = ThreeSat.sizes[seed % len(ThreeSat.sizes)]
        task = ThreeSat.generate(Random(seed), size)
        assert min(7, 2.1 * size) <= len(task.rules) <= 3.5 * size
        assert all(len({person for person, _ in rule}) == 3 for rule in task.rules)
        assert len(set(task.rules)) == len(task.rules)


@pytest.mark.parametrize(
    ("answer", "is_correct"),
    [
        ("Ann takes tea\nBob takes tea\nCy takes milk", True),
        ("Sure!\n\n- **Ann** takes **tea**\n- **Bob** should take Tea\n- **Cy** - milk.", True),
        ("| Ann | tea |\n| Bob | tea |\n| Cy | milk |", True),
        (
            "Since Ann takes milk or Cy takes milk:\nAnn takes tea, Bob takes tea, Cy takes milk",
            True,
        ),
        ("Ann takes tea\nBob takes tea\nCy takes milk\nAnn takes tea", True),
        ("Ann takes tea\nBob takes tea\nCy takes milk\nAnn takes milk", False),
        ("Ann takes tea\nBob takes tea\nCy takes tea", False),
        ("Ann takes tea\nBob takes tea\nCyril takes milk", False),
        ("Ann takes tea\nBob takes tea", False),
    ],
)
def test_reads_answers_in_many_layouts(answer: str, is_correct: bool):
    assert TEA_TASK.is_correct(answer) is is_correct


@pytest.mark.parametrize(
    ("text", "quote", "valid", "edited"),
    [
        (
            "Breaks rule 3 (as numbered): Ann should take milk.",
            "Ann takes tea",
            True,
            "Ann takes milk, Cy takes tea",
        ),
        ("breaks rule 3: Cy should take MILK, say I", "Cy", True, "Ann takes tea, Cy takes milk"),
        (
            "Breaks rule 3: Ann should take tea.",
            "Ann takes tea",
            False,
            "Ann takes tea, Cy takes tea",
        ),
        (
            "Breaks rule 2: Cy should take tea.",
            "Cy takes tea",
            False,
            "Ann takes tea, Cy takes tea",
        ),
        (
            "Breaks rule 0: Ann should take milk.",
            "Ann takes tea",
            False,
            "Ann takes milk, Cy takes tea",
        ),
        (
            "Breaks rule 9: Ann should take milk.",
            "Ann takes tea",
            False,
            "Ann takes milk, Cy takes tea",
        ),
        (
            "Bob is missing: Bob should take tea.",
            "Cy takes tea",
            True,
            "Ann takes tea, Cy takes tea, Bob takes tea",
        ),
        (
            "Bob is missing: Bob should take milk.",
            "Cy takes tea",
            True,
            "Ann takes tea, Cy takes tea, Bob takes milk",
        ),
        (
            "Cy is missing: Cy should take milk.",
            "Cy takes tea",
            False,
            "Ann takes tea, Cy takes milk",
        ),
        (
            "Ann is named twice: Ann should take milk.",
            "Ann takes tea",
            False,
            "Ann takes milk, Cy takes tea",
        ),
        ("Ann should take milk.", "Ann takes tea", False, "Ann takes milk, Cy takes tea"),
        ("Ann should have milk.", "Ann takes tea", False, "Ann takes tea, Cy takes tea"),
        ("Breaks rule 3: Ann should take milk.", "So", False, "Ann takes tea, Cy takes tea"),
    ],
)
def test_validates_and_applies_comments(text: str, quote: str, valid: bool, edited: str):
    answer = "So: Ann takes tea, Cy takes tea"
    comment = Comment(quote=quote, text=text)
    assert TEA_TASK.is_valid(answer, comment) is valid
    assert TEA_TASK.apply_comment(answer, comment) == f"So: {edited}"


def test_comment_on_a_person_named_twice_fixes_all_mentions():
    answer = "Ann takes tea\nBob takes tea\nCy takes milk\nAnn takes milk"
    [flaw] = TEA_TASK.flaws(answer)
    assert (flaw.kind, flaw.comment.quote) == ("person", "Ann takes tea")
    assert flaw.comment.text.startswith("Ann is named twice: Ann should take")
    assert TEA_TASK.is_correct(TEA_TASK.apply_comment(answer, flaw.comment))


@pytest.mark.parametrize(("thing", "valid"), [("tea", True), ("milk", False)])
def test_fix_for_a_missing_person_must_be_part_of_a_solution(thing: str, valid: bool):
    task = ThreeSat.parse(
        "Rules: Ann takes tea or Bob takes milk. Bob takes tea. Ann takes tea or Cy takes milk."
    )
    assert task is not None
    comment = Comment(quote="Bob takes tea", text=f"Ann is missing: Ann should take {thing}.")
    assert task.is_valid("Bob takes tea, Cy takes tea", comment) is valid
