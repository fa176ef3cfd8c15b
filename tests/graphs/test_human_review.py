"""A person beside the critic: what they do is done and recorded, and nothing they could say loses the review."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from selfcritic.agent import Budget
from selfcritic.agent.errors import InputError, ModelError
from selfcritic.agent.models.scripted import ScriptedModel
from selfcritic.agent.nodes.human_actions import Decision
from selfcritic.agent.schemas import Comment, FSBSConfig, ReviewedComment
from selfcritic.graphs import create_human_review
from selfcritic.graphs.checkpoints import serializer
from selfcritic.graphs.human_review import append_review

ANSWER = "The moon is 5 km away. It is made of cheese, all of it."
GIVEN = {"question": "What is the moon?", "answer": ANSWER}
SORTING = {"question": "Sort alphabetically: pear, apple, plum, fig, kiwi", "answer": "pear, apple, fig, plum, plum"}
SHORT = "```\n5 km\n```\n[high] It is 384,400 km."
LONG = f"{SHORT}\n```\nmade of cheese\n```\nIt is rock.\n"
SCRIPT: dict[str, Any] = {"critique": [SHORT, LONG], "helpfulness": [0.9, 0.7], "refine": ["Far, and of rock."]}


class Review:
    """A review on a thread, answered step by step."""

    def __init__(self, script: dict[str, Any] | None = None, **options: Any) -> None:
        self.model = ScriptedModel(script={**SCRIPT, **(script or {})})
        saver = InMemorySaver(serde=serializer())
        self.graph = create_human_review(model=self.model, num_critiques=2, **options).compile(checkpointer=saver)
        self.thread: Any = {"configurable": {"thread_id": "t"}}
        self.output = self.graph.invoke(GIVEN, self.thread)

    @property
    def shown(self) -> dict[str, Any]:
        [waiting] = self.output["__interrupt__"]
        return waiting.value

    @property
    def labels(self) -> list[tuple[int, str, str | None]]:
        return [(one["id"], one["action"], one["after"] and one["after"]["text"]) for one in self.shown["comments"]]

    def reply(self, then: str = "continue", *actions: dict[str, Any], **more: Any) -> dict[str, Any]:
        self.output = self.graph.invoke(Command(resume={"actions": list(actions), "next": then, **more}), self.thread)
        return self.output


def test_it_shows_the_answer_and_the_comments_with_spans_and_scores():
    shown = Review().shown
    assert (shown["question"], shown["answer"], shown["error"]) == (GIVEN["question"], ANSWER, None)
    [label] = shown["comments"]
    assert label["before"] == label["after"]
    assert (label["id"], label["action"], label["explicit"]) == (1, "kept", False)
    assert ANSWER[label["after"]["start"] : label["after"]["end"]] == label["after"]["quote"] == "5 km"
    assert label["after"]["severity"] == "high"
    assert shown["critique"] == {"helpfulness": pytest.approx(0.9), "reward": pytest.approx(0.9), "unparsed": ""}
    assert shown["critiques_drawn"] == 2
    assert json.loads(json.dumps(shown)) == shown


def test_clients_are_told_the_form_of_a_decision():
    [waiting] = Review().output["__interrupt__"]
    assert waiting.response_schema == Decision.model_json_schema()


def test_accepted_as_it_is_the_chosen_critique_comes_back():
    review = Review()
    output = review.reply("accept")
    assert (output["stop_reason"], output["decision"], output["answer"]) == ("reviewed", "accept", ANSWER)
    assert output["critique"].helpfulness == pytest.approx(0.9)
    assert [one.selected for one in output["rounds"][0].critiques] == [True, False]
    comment = output["critique"].comments[0]
    assert output["labels"] == [ReviewedComment(id=1, action="kept", before=comment, after=comment)]
    assert len(review.model.requests) == 1 + 2


def test_every_action_is_done_and_recorded_with_before_and_after():
    review = Review()
    review.reply("search_again", length_modifier=0.5)
    review.reply(
        "continue",
        {"type": "keep", "id": 1},
        {"type": "edit", "id": 2, "text": " It is basalt. ", "severity": "low"},
        {"type": "add", "quote": "all of  it", "text": "Not all."},
    )
    assert review.labels == [(1, "kept", "It is 384,400 km."), (2, "edited", "It is basalt."), (3, "added", "Not all.")]
    output = review.reply("accept", {"type": "remove", "id": 1})
    removed, edited, added = output["labels"]
    assert (removed.action, removed.before.quote, removed.after) == ("removed", "5 km", None)
    assert (edited.before.text, edited.after.text) == ("It is rock.", "It is basalt.")
    assert (edited.before.severity, edited.after.severity) == (None, "low")
    assert (added.before, added.after.quote, added.after.start) == (None, "all of it", ANSWER.index("all of it"))
    assert all(label.explicit for label in output["labels"])
    assert output["critique"].comments == [edited.after, added.after]
    assert [one.selected for one in output["rounds"][0].critiques] == [False, False, True]


def test_refined_by_what_the_person_left():
    review = Review()
    output = review.reply("refine", {"type": "edit", "id": 1, "text": "Much farther."})
    assert (output["answer"], output["stop_reason"]) == ("Far, and of rock.", "reviewed")
    assert [draft.answer for draft in output["rounds"]] == [ANSWER, "Far, and of rock."]
    assert "Much farther." in review.model.requests[-1][-1].text
    assert "384,400" not in review.model.requests[-1][-1].text


def test_refined_by_what_the_person_left_even_where_the_options_mend_directly():
    review = Review(refinement="direct")
    assert review.reply("refine")["answer"] == "Far, and of rock."
    assert "384,400" in review.model.requests[-1][-1].text


def test_a_person_may_see_what_was_not_judged_helpful_enough():
    review = Review(helpful_threshold=0.95)
    assert (review.labels, review.shown["critique"]) == ([], None)
    assert "helpful enough" in review.shown["error"]
    review.reply("search_again", length_modifier=0.0)
    assert review.labels == [(1, "kept", "It is 384,400 km.")]
    assert review.shown["error"] is None


def test_invented_quotes_are_not_put_before_a_person():
    ungrounded = "```\nthe sun\n```\nIt is hot."
    review = Review({"critique": [ungrounded, ungrounded]})
    assert (review.labels, review.shown["ungrounded_rate"]) == ([], 1.0)
    assert "quotes the answer" in review.shown["error"]


def test_a_refiner_that_changes_nothing_is_told():
    assert Review({"refine": [ANSWER]}).reply("refine")["stop_reason"] == "repeated_answer"


def test_another_length_modifier_costs_nothing_and_leaves_what_was_said():
    review = Review()
    review.reply(
        "continue", {"type": "edit", "id": 1, "text": "Farther."}, {"type": "add", "quote": "moon", "text": "Which?"}
    )
    review.reply("search_again", length_modifier=0.5)
    assert review.shown["length_modifier"] == 0.5
    assert review.labels == [(1, "edited", "Farther."), (2, "added", "Which?"), (3, "kept", "It is rock.")]
    review.reply("search_again", length_modifier=-0.5)
    assert [number for number, *_ in review.labels] == [1, 2]
    assert review.reply("accept")["usage"].calls == len(review.model.requests) == 3


BAD: list[Any] = [
    "accept",
    "{",
    7,
    [],
    ["accept"],
    {"next": "publish"},
    {"next": "accept", "extra": 1},
    {"next": "search_again"},
    {"next": "accept", "length_modifier": 1},
    {"next": "search_again", "length_modifier": float("nan")},
    {"next": "search_again", "length_modifier": float("inf")},
    {"actions": [{"type": "burn", "id": 1}]},
    {"actions": [{"type": "keep"}]},
    {"actions": [{"type": "keep", "id": 99}]},
    {"actions": [{"type": "edit", "id": 1}]},
    {"actions": [{"type": "edit", "id": 1, "start": 3, "text": "x"}]},
    {"actions": [{"type": "edit", "id": 1, "text": "  "}]},
    {"actions": [{"type": "edit", "id": 1, "quote": "green cheese"}]},
    {"actions": [{"type": "add", "quote": "", "text": "x"}]},
    {"actions": [{"type": "add", "quote": "moon", "text": "x", "start": 5}]},
    {"actions": [{"type": "add", "quote": "moon", "text": "x", "severity": "grave"}]},
    {"actions": [{"type": "remove", "id": 1}], "next": "refine"},
    {"actions": [{"type": "remove", "id": 1}, {"type": "add", "quote": "the sun", "text": "x"}], "next": "accept"},
]


@pytest.mark.parametrize("bad", BAD, ids=repr)
def test_a_reply_that_cannot_be_used_is_asked_for_again(bad: Any):
    review = Review()
    before = review.shown
    review.output = review.graph.invoke(Command(resume=bad), review.thread)
    error = review.shown["error"]
    assert error.startswith("Nothing was changed")
    assert review.shown == {**before, "error": error}
    assert review.reply("accept")["stop_reason"] == "reviewed"
    assert len(review.model.requests) == 3


def test_the_error_names_the_action_and_the_quote():
    review = Review()
    review.reply("accept", {"type": "keep", "id": 1}, {"type": "add", "quote": "green cheese", "text": "x"})
    assert "actions[1] (add): the quote 'green cheese' is not in the answer" in review.shown["error"]
    review.reply("accept", {"type": "remove", "id": "one"})
    assert "actions.0.remove.id" in review.shown["error"]


def test_a_decision_may_come_as_json_text():
    review = Review()
    text = json.dumps({"actions": [{"type": "remove", "id": 1}], "next": "accept"})
    output = review.graph.invoke(Command(resume=text), review.thread)
    assert (output["critique"], output["labels"][0].action) == (None, "removed")


DOWN = ModelError("The provider is down.")


def test_a_search_that_fails_leaves_the_person_to_go_on():
    review = Review({"critique": [DOWN, DOWN, SHORT, LONG]})
    assert (review.shown["comments"], review.shown["critique"]) == ([], None)
    assert "is down" in review.shown["error"]
    review.reply("continue", {"type": "add", "quote": "cheese", "text": "Rock."})
    assert review.shown["error"] is None
    review.reply("search_again", length_modifier=0.5)  # there is no pool: searched anew
    assert review.labels == [(1, "added", "Rock."), (2, "kept", "It is 384,400 km."), (3, "kept", "It is rock.")]
    assert review.reply("accept")["stop_reason"] == "reviewed"


def test_critiques_that_could_not_be_scored_are_not_drawn_again():
    review = Review({"helpfulness": [DOWN, DOWN, 0.9, 0.7]})
    assert "is down" in review.shown["error"]
    assert review.shown["critiques_drawn"] == 2
    review.reply("search_again", length_modifier=0.0)
    assert review.labels == [(1, "kept", "It is 384,400 km.")]
    assert [len(request) for request in review.model.requests] == [2] * 5


def test_a_mend_that_fails_leaves_the_review_as_it_was():
    review = Review({"refine": [DOWN, "Far, and of rock."]})
    review.reply("refine", {"type": "add", "quote": "cheese", "text": "Rock."})
    assert "is down" in review.shown["error"]
    assert [number for number, *_ in review.labels] == [1, 2]
    with pytest.raises(InputError, match="not finished"):
        append_review("unused", review.output)
    assert review.reply("refine")["answer"] == "Far, and of rock."
    assert [len(draft.critiques) for draft in review.output["rounds"]] == [3, 0]


def test_a_spent_budget_is_told_and_the_review_can_be_accepted():
    review = Review(budget=Budget(calls=3))
    review.reply("refine")
    assert "budget is spent" in review.shown["error"]
    assert review.reply("accept")["usage"].calls == 3


GOOD: list[Any] = [
    {"actions": [{"type": "remove", "id": 1}]},
    {"actions": [{"type": "keep", "id": 1}]},
    {"actions": [{"type": "edit", "id": 1, "text": "Farther."}]},
    {"actions": [{"type": "add", "quote": "moon", "text": "Which?"}]},
    {"next": "search_again", "length_modifier": 1},
    {"next": "search_again", "length_modifier": -1},
]


@settings(max_examples=20)
@given(st.lists(st.sampled_from([*GOOD, *BAD]), max_size=8), st.sampled_from(["accept", "refine"]))
def test_whatever_is_said_nothing_is_paid_for_but_one_search_and_one_mend(replies: list[Any], then: str):
    review = Review()
    for reply in replies:
        before = review.shown
        review.output = review.graph.invoke(Command(resume=reply), review.thread)
        assert json.loads(json.dumps(review.shown)) == review.shown
        assert (review.shown["error"] is None) == (reply in GOOD)
        assert reply in GOOD or review.shown["comments"] == before["comments"]
    shown = review.shown["comments"]
    output = review.reply(then, {"type": "add", "quote": "all of it", "text": "Not all."})
    labels = [label.model_dump() for label in output["labels"]]
    assert labels[:-1] == shown
    assert output["critique"].comments == [label.after for label in output["labels"] if label.after]
    assert output["stop_reason"] == "reviewed"
    assert len(review.model.requests) == output["usage"].calls == 3 + (then == "refine")


async def _finds_cheese(question: str, draft: str) -> list[Comment]:
    return [Comment(quote="cheese", text="A checker knows better.", severity="high")]


async def _fails(question: str, draft: str) -> list[Comment]:
    raise RuntimeError("no such tool")


def test_what_checkers_find_is_filled_in_too_and_keeps_its_source():
    review = Review(checkers=[_finds_cheese])
    assert review.labels == [(1, "kept", "A checker knows better."), (2, "kept", "It is 384,400 km.")]
    assert review.shown["comments"][0]["after"]["source"] == "_finds_cheese"
    first, second = review.reply("accept", {"type": "edit", "id": 1, "text": "I know better."})["labels"]
    assert (first.before.source, first.after.source) == ("_finds_cheese", None)
    assert second.before == second.after


def test_a_checker_that_fails_is_told_and_the_search_can_follow():
    review = Review(checkers=[_fails])
    assert "no such tool" in review.shown["error"]
    review.reply("search_again", length_modifier=0.0)
    assert review.labels == [(1, "kept", "It is 384,400 km.")]


def test_without_a_critic_there_is_what_the_checkers_know():
    review = Review(checkers=[_finds_cheese], critic="none", search="fsbs")
    assert review.labels == [(1, "kept", "A checker knows better.")]
    review.reply("search_again", length_modifier=1.0)
    assert "no critic to search with" in review.shown["error"]
    assert review.reply("refine")["answer"] == "Far, and of rock."
    assert len(review.model.requests) == 1


def test_the_beam_search_may_take_the_place_of_drawing():
    saver = InMemorySaver(serde=serializer())
    options: Any = {"model": "simulated?seed=3", "search": "fsbs", "fsbs": FSBSConfig(n=3, k=1, d=2)}
    graph = create_human_review(**options).compile(checkpointer=saver)
    thread: Any = {"configurable": {"thread_id": "t"}}
    output = graph.invoke(SORTING, thread)
    assert output["__interrupt__"][0].value["critiques_drawn"] == 3 * (1 * 1 + 1)
    calls = output["usage"].calls
    shown = [
        graph.invoke(Command(resume={"next": "search_again", "length_modifier": modifier}), thread)["__interrupt__"]
        for modifier in (-9.0, 9.0)
    ]
    assert len(shown[0][0].value["comments"]) < len(shown[1][0].value["comments"])
    assert graph.invoke(Command(resume={"next": "accept"}), thread)["usage"].calls == calls


def test_a_new_beam_search_is_chosen_from_by_the_new_modifier():
    """The first search is not paid for; the run's own options allow the second one."""
    saver = InMemorySaver(serde=serializer())
    options: Any = {"model": "simulated?seed=3", "search": "fsbs", "fsbs": FSBSConfig(n=3, k=1, d=2)}
    graph = create_human_review(**options).compile(checkpointer=saver)
    thread: Any = {"configurable": {"thread_id": "t"}}
    down: Any = {"critic": ScriptedModel(script={"critique": []})}
    [waiting] = graph.invoke(SORTING, thread, context=down)["__interrupt__"]
    assert (waiting.value["critiques_drawn"], waiting.value["comments"]) == (0, [])
    assert "no reply number 1" in waiting.value["error"]
    output = graph.invoke(Command(resume={"next": "search_again", "length_modifier": 9.0}), thread)
    most = max(len(critique.comments) for critique in output["rounds"][0].critiques if critique.reward is not None)
    assert len(output["__interrupt__"][0].value["comments"]) == most > 1


def test_without_a_thread_it_is_refused_before_anything_is_paid_for():
    model = ScriptedModel(script=SCRIPT)
    with pytest.raises(InputError, match="thread_id"):
        create_human_review(model=model).compile().invoke(GIVEN)
    assert model.requests == []


def test_the_next_review_on_a_thread_begins_anew():
    review = Review({name: replies * 2 for name, replies in SCRIPT.items()})
    review.reply("accept", {"type": "add", "quote": "moon", "text": "Which?"})
    review.output = review.graph.invoke(GIVEN, review.thread)
    assert review.labels == [(1, "kept", "It is 384,400 km.")]
    assert review.reply("accept")["usage"].calls == 3


def test_it_is_the_same_asynchronously():
    async def run() -> Any:
        model = ScriptedModel(script=SCRIPT)
        graph = create_human_review(model=model, num_critiques=2).compile(
            checkpointer=InMemorySaver(serde=serializer())
        )
        thread: Any = {"configurable": {"thread_id": "t"}}
        shown = (await graph.ainvoke(GIVEN, thread))["__interrupt__"][0].value
        await graph.ainvoke(Command(resume="nonsense"), thread)
        output = await graph.ainvoke(Command(resume={"next": "refine"}), thread)
        return shown, output["answer"], len(model.requests)

    assert asyncio.run(run()) == (Review().shown, "Far, and of rock.", 4)


def test_reviews_are_written_as_lines_of_json(tmp_path: Path):
    path = tmp_path / "labels.jsonl"
    for then in ("accept", "refine"):
        append_review(
            path, Review().reply(then, {"type": "remove", "id": 1}, {"type": "add", "quote": "moon", "text": "„?“"})
        )
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert [row["decision"] for row in rows] == ["accept", "refine"]
    for row in rows:
        assert (row["question"], row["answer"], row["context"]) == (GIVEN["question"], ANSWER, "")
        labels = [ReviewedComment.model_validate(label) for label in row["labels"]]
        assert [label.action for label in labels] == ["removed", "added"]
        assert row["critique"]["comments"] == [labels[1].after.model_dump()]
