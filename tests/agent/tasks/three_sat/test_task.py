"""3-SAT, held against all choices there are."""

from itertools import product
from random import Random

import pytest

from selfcritic.agent.errors import InputError
from selfcritic.agent.schemas import Comment
from selfcritic.agent.tasks import ThreeSat

TEA = ThreeSat.parse(ThreeSat.example)
assert TEA is not None
Assignment = dict[str, str]


def all_choices(task: ThreeSat) -> list[Assignment]:
    return [dict(zip(task.people, things, strict=True)) for things in product(task.things, repeat=len(task.people))]


def broken(task: ThreeSat, choice: Assignment) -> list[int]:
    kept = [any(choice.get(person, thing) == thing for person, thing in rule) for rule in task.rules]
    return [number for number, holds in enumerate(kept, 1) if not holds]


def written(choice: Assignment) -> str:
    return "\n".join(f"{person} takes {thing}" for person, thing in choice.items())


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
def test_typed_questions_are_read(question: str):
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
def test_other_rules_are_refused(question: str):
    assert ThreeSat.parse(question) is None


def test_people_in_no_rule_are_served_too():
    task = ThreeSat.parse("Serve tea or milk to Ann, Bob and Zoe. Rules: Ann takes tea or Bob takes milk.")
    assert task is not None
    assert task.people == ("Ann", "Bob", "Zoe")
    assert task.is_correct("Ann: tea, Bob: tea, Zoe: milk")
    assert not task.is_correct("Ann: tea, Bob: tea")


def test_contradictions_and_crowds_are_errors():
    with pytest.raises(InputError, match="no choice satisfies"):
        ThreeSat.parse("Rules: Ann takes tea or Bob takes tea. Ann takes milk. Bob takes milk.")
    crowd = "; ".join(f"P{at} takes tea or P{at + 1} takes milk" for at in range(20))
    with pytest.raises(InputError, match="at most 20"):
        ThreeSat.parse(f"Rules: {crowd}")


@pytest.mark.parametrize("seed", range(6))
def test_flaws_are_exactly_the_broken_rules_and_lead_to_the_nearest_right_choice(seed: int):
    task = ThreeSat.generate(Random(seed), 3 + seed % 4)
    choices = all_choices(task)
    right = [choice for choice in choices if not broken(task, choice)]
    assert right
    for choice in choices:
        answer = written(choice)
        flaws = task.flaws(answer)
        assert [(flaw.kind, int(flaw.comment.text.split()[2])) for flaw in flaws] == [
            ("rule", at) for at in broken(task, choice)
        ]
        assert task.is_correct(answer) == (choice in right)
        distance = min(sum(choice[person] != other[person] for person in choice) for other in right)
        nearest_solution = task._nearest_solution(choice)
        assert nearest_solution in right
        assert sum(choice[person] != nearest_solution[person] for person in choice) == distance
        for flaw in flaws:
            person, _, _, thing = flaw.comment.text.rpartition(": ")[2].rstrip(".").split()
            assert flaw.comment.quote == f"{person} takes {choice[person]}"
            assert nearest_solution[person] == thing != choice[person]


@pytest.mark.parametrize("seed", range(4))
def test_a_partial_choice_is_completed_at_the_least_cost(seed: int):
    task = ThreeSat.generate(rng := Random(seed), 6)
    right = [choice for choice in all_choices(task) if not broken(task, choice)]
    for choice in rng.sample(all_choices(task), 20):
        known = {person: choice[person] for person in rng.sample(task.people, 3)}
        nearest_solution = task._nearest_solution(known)
        costs = [sum(other[person] != thing for person, thing in known.items()) for other in right]
        assert nearest_solution in right
        assert sum(nearest_solution[person] != thing for person, thing in known.items()) == min(costs)
        flaws = task.flaws(written(known))
        assert sum(flaw.kind == "person" for flaw in flaws) == 3
        assert all(task.is_valid(written(known), flaw.comment) for flaw in flaws)


def test_generated_rules_are_many_and_of_three_people():
    for seed in range(50):
        size = ThreeSat.sizes[seed % len(ThreeSat.sizes)]
        task = ThreeSat.generate(Random(seed), size)
        assert min(7, 2.1 * size) <= len(task.rules) <= 3.5 * size
        assert all(len({person for person, _ in rule}) == 3 for rule in task.rules)
        assert len(set(task.rules)) == len(task.rules)


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ("Ann takes tea\nBob takes tea\nCy takes milk", True),
        ("Sure!\n\n- **Ann** takes **tea**\n- **Bob** should take Tea\n- **Cy** - milk.", True),
        ("| Ann | tea |\n| Bob | tea |\n| Cy | milk |", True),
        ("Since Ann takes milk or Cy takes milk:\nAnn takes tea, Bob takes tea, Cy takes milk", True),
        ("Ann takes tea\nBob takes tea\nCy takes milk\nAnn takes tea", True),
        ("Ann takes tea\nBob takes tea\nCy takes milk\nAnn takes milk", False),
        ("Ann takes tea\nBob takes tea\nCy takes tea", False),
        ("Ann takes tea\nBob takes tea\nCyril takes milk", False),
        ("Ann takes tea\nBob takes tea", False),
    ],
)
def test_answers_are_read(answer: str, right: bool):
    assert TEA.is_correct(answer) is right


@pytest.mark.parametrize(
    ("text", "quote", "valid", "mended"),
    [
        (
            "Breaks rule 3 (whatever it is): Ann should take milk.",
            "Ann takes tea",
            True,
            "Ann takes milk, Cy takes tea",
        ),
        ("breaks rule 3: Cy should take MILK, say I", "Cy", True, "Ann takes tea, Cy takes milk"),
        ("Breaks rule 3: Ann should take tea.", "Ann takes tea", False, "Ann takes tea, Cy takes tea"),
        ("Breaks rule 2: Cy should take tea.", "Cy takes tea", False, "Ann takes tea, Cy takes tea"),
        ("Breaks rule 0: Ann should take milk.", "Ann takes tea", False, "Ann takes milk, Cy takes tea"),
        ("Breaks rule 9: Ann should take milk.", "Ann takes tea", False, "Ann takes milk, Cy takes tea"),
        ("Bob is missing: Bob should take tea.", "Cy takes tea", True, "Ann takes tea, Cy takes tea, Bob takes tea"),
        ("Bob is missing: Bob should take milk.", "Cy takes tea", True, "Ann takes tea, Cy takes tea, Bob takes milk"),
        ("Cy is missing: Cy should take milk.", "Cy takes tea", False, "Ann takes tea, Cy takes milk"),
        ("Ann is named twice: Ann should take milk.", "Ann takes tea", False, "Ann takes milk, Cy takes tea"),
        ("Ann should take milk.", "Ann takes tea", False, "Ann takes milk, Cy takes tea"),
        ("Ann should have milk.", "Ann takes tea", False, "Ann takes tea, Cy takes tea"),
        ("Breaks rule 3: Ann should take milk.", "So", False, "Ann takes tea, Cy takes tea"),
    ],
)
def test_comments_are_judged_and_followed(text: str, quote: str, valid: bool, mended: str):
    answer, comment = "So: Ann takes tea, Cy takes tea", Comment(quote=quote, text=text)
    assert TEA.is_valid(answer, comment) is valid
    assert TEA.apply_comment(answer, comment) == f"So: {mended}"


def test_whoever_is_named_twice_is_served_once():
    answer = "Ann takes tea\nBob takes tea\nCy takes milk\nAnn takes milk"
    [flaw] = TEA.flaws(answer)
    assert (flaw.kind, flaw.comment.quote) == ("person", "Ann takes tea")
    assert flaw.comment.text.startswith("Ann is named twice: Ann should take")
    assert TEA.is_correct(TEA.apply_comment(answer, flaw.comment))


@pytest.mark.parametrize(("thing", "valid"), [("tea", True), ("milk", False)])
def test_whoever_is_missing_must_be_served_what_some_right_choice_serves(thing: str, valid: bool):
    task = ThreeSat.parse("Rules: Ann takes tea or Bob takes milk. Bob takes tea. Ann takes tea or Cy takes milk.")
    assert task is not None
    comment = Comment(quote="Bob takes tea", text=f"Ann is missing: Ann should take {thing}.")
    assert task.is_valid("Bob takes tea, Cy takes tea", comment) is valid
