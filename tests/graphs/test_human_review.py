"""Human review: actions are applied and recorded, and an invalid reply never loses the review."""

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
REVIEW_INPUT = {"question": "What is the moon?", "answer": ANSWER}
SORTING = {
    "question": "Sort alphabetically: pear, apple, plum, fig, kiwi",
    "answer": "pear, apple, fig, plum, plum",
}
SHORT = "```\n5 km\n```\n[high] It is 384,400 km."
LONG = f"{SHORT}\n```\nmade of cheese\n```\nIt is rock.\n"
SCRIPT: dict[str, Any] = {
    "critique": [SHORT, LONG],
    "helpfulness": [0.9, 0.7],
    "refine": ["Far, and of rock."],
}


class Review:
    """Runs a review on a thread and replies step by step."""

    def __init__(self, script: dict[str, Any] | None = None, **options: Any) -> None:
        self.model = ScriptedModel(script={**SCRIPT, **(script or {})})
        saver = InMemorySaver(serde=serializer())
        self.graph = create_human_review(model=self.model, num_critiques=2, **options).compile(
            checkpointer=saver
        )
        self.thread: Any = {"configurable": {"thread_id": "t"}}
        self.output = self.graph.invoke(REVIEW_INPUT, self.thread)

    @property
    def shown(self) -> dict[str, Any]:
        [interrupt] = self.output["__interrupt__"]
        return interrupt.value

    @property
    def labels(self) -> list[tuple[int, str, str | None]]:
        """Return ID, action and final text of each comment."""
        labels = []
        for comment in self.shown["comments"]:
            text = comment["after"]["text"] if comment["after"] else None
            labels.append((comment["id"], comment["action"], text))
        return labels

    def reply(
        self, next_step: str = "continue", *actions: dict[str, Any], **fields: Any
    ) -> dict[str, Any]:
        """Resume with a decision."""
        return self.resume({"actions": list(actions), "next": next_step, **fields})

    def resume(self, reply: Any) -> dict[str, Any]:
        """Resume with any value, even an invalid one."""
        self.output = self.graph.invoke(Command(resume=reply), self.thread)
        return self.output


def test_interrupt_shows_the_answer_and_comments_with_spans_and_scores():
    shown = Review().shown
    assert (shown["question"], shown["answer"], shown["error"]) == (
        REVIEW_INPUT["question"],
        ANSWER,
        None,
    )
    [label] = shown["comments"]
    assert label["before"] == label["after"]
    assert (label["id"], label["action"], label["explicit"]) == (1, "kept", False)
    assert (
        ANSWER[label["after"]["start"] : label["after"]["end"]] == label["after"]["quote"] == "5 km"
    )
    assert label["after"]["severity"] == "high"
    assert shown["critique"] == {
        "helpfulness": pytest.approx(0.9),
        "reward": pytest.approx(0.9),
        "unparsed": "",
    }
    assert shown["critiques_drawn"] == 2
    assert json.loads(json.dumps(shown)) == shown


def test_interrupt_carries_the_schema_of_a_decision():
    [interrupt] = Review().output["__interrupt__"]
    assert interrupt.response_schema == Decision.model_json_schema()


def test_accepting_returns_the_selected_critique():
    review = Review()
    output = review.reply("accept")
    assert (output["stop_reason"], output["decision"], output["answer"]) == (
        "reviewed",
        "accept",
        ANSWER,
    )
    assert output["critique"].helpfulness == pytest.approx(0.9)
    assert [critique.selected for critique in output["rounds"][0].critiques] == [True, False]
    comment = output["critique"].comments[0]
    assert output["labels"] == [ReviewedComment(id=1, action="kept", before=comment, after=comment)]
    assert len(review.model.requests) == 1 + 2


def test_actions_are_applied_and_recorded_with_before_and_after():
    review = Review()
    review.reply("search_again", length_modifier=0.5)
    review.reply(
        "continue",
        {"type": "keep", "id": 1},
        {"type": "edit", "id": 2, "text": " It is basalt. ", "severity": "low"},
        {"type": "add", "quote": "all of  it", "text": "Not all."},
    )
    assert review.labels == [
        (1, "kept", "It is 384,400 km."),
        (2, "edited", "It is basalt."),
        (3, "added", "Not all."),
    ]
    output = review.reply("accept", {"type": "remove", "id": 1})
    removed, edited, added = output["labels"]
    assert (removed.action, removed.before.quote, removed.after) == ("removed", "5 km", None)
    assert (edited.before.text, edited.after.text) == ("It is rock.", "It is basalt.")
    assert (edited.before.severity, edited.after.severity) == (None, "low")
    assert (added.before, added.after.quote, added.after.start) == (
        None,
        "all of it",
        ANSWER.index("all of it"),
    )
    assert all(label.explicit for label in output["labels"])
    assert output["critique"].comments == [edited.after, added.after]
    assert [critique.selected for critique in output["rounds"][0].critiques] == [False, False, True]


def test_refines_with_the_remaining_comments():
    review = Review()
    output = review.reply("refine", {"type": "edit", "id": 1, "text": "Much farther."})
    assert (output["answer"], output["stop_reason"]) == ("Far, and of rock.", "reviewed")
    assert [draft.answer for draft in output["rounds"]] == [ANSWER, "Far, and of rock."]
    assert "Much farther." in review.model.requests[-1][-1].text
    assert "384,400" not in review.model.requests[-1][-1].text


def test_refines_with_the_remaining_comments_despite_direct_refinement():
    review = Review(refinement="direct")
    assert review.reply("refine")["answer"] == "Far, and of rock."
    assert "384,400" in review.model.requests[-1][-1].text


def test_search_again_shows_a_critique_below_the_helpful_threshold():
    review = Review(helpful_threshold=0.95)
    assert (review.labels, review.shown["critique"]) == ([], None)
    assert "helpful enough" in review.shown["error"]
    review.reply("search_again", length_modifier=0.0)
    assert review.labels == [(1, "kept", "It is 384,400 km.")]
    assert review.shown["error"] is None


def test_hides_comments_with_ungrounded_quotes():
    ungrounded = "```\nthe sun\n```\nIt is hot."
    review = Review({"critique": [ungrounded, ungrounded]})
    assert (review.labels, review.shown["ungrounded_rate"]) == ([], 1.0)
    assert "quotes the answer" in review.shown["error"]


def test_unchanged_refinement_ends_with_repeated_answer():
    assert Review({"refine": [ANSWER]}).reply("refine")["stop_reason"] == "repeated_answer"


def test_new_length_modifier_needs_no_request_and_keeps_human_edits():
    review = Review()
    review.reply(
        "continue",
        {"type": "edit", "id": 1, "text": "Farther."},
        {"type": "add", "quote": "moon", "text": "Which?"},
    )
    review.reply("search_again", length_modifier=0.5)
    assert review.shown["length_modifier"] == 0.5
    assert review.labels == [
        (1, "edited", "Farther."),
        (2, "added", "Which?"),
        (3, "kept", "It is rock."),
    ]
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
    {
        "actions": [{"type": "remove", "id": 1}, {"type": "add", "quote": "the sun", "text": "x"}],
        "next": "accept",
    },
]


@pytest.mark.parametrize("bad", BAD, ids=repr)
def test_invalid_reply_is_requested_again(bad: Any):
    review = Review()
    before = review.shown
    review.resume(bad)
    error = review.shown["error"]
    assert error.startswith("Nothing was changed")
    assert review.shown == {**before, "error": error}
    assert review.reply("accept")["stop_reason"] == "reviewed"
    assert len(review.model.requests) == 3


def test_error_names_the_action_and_the_quote():
    review = Review()
    review.reply(
        "accept", {"type": "keep", "id": 1}, {"type": "add", "quote": "green cheese", "text": "x"}
    )
    assert (
        "actions[1] (add): the quote 'green cheese' is not in the answer" in review.shown["error"]
    )
    review.reply("accept", {"type": "remove", "id": "one"})
    assert "actions.0.remove.id" in review.shown["error"]


def test_accepts_a_decision_as_json_text():
    review = Review()
    text = json.dumps({"actions": [{"type": "remove", "id": 1}], "next": "accept"})
    output = review.resume(text)
    assert (output["critique"], output["labels"][0].action) == (None, "removed")


DOWN = ModelError("The provider is down.")


def test_review_continues_after_a_failed_search():
    review = Review({"critique": [DOWN, DOWN, SHORT, LONG]})
    assert (review.shown["comments"], review.shown["critique"]) == ([], None)
    assert "is down" in review.shown["error"]
    review.reply("continue", {"type": "add", "quote": "cheese", "text": "Rock."})
    assert review.shown["error"] is None
    review.reply("search_again", length_modifier=0.5)  # no pool exists, so this starts a search
    assert review.labels == [
        (1, "added", "Rock."),
        (2, "kept", "It is 384,400 km."),
        (3, "kept", "It is rock."),
    ]
    assert review.reply("accept")["stop_reason"] == "reviewed"


def test_does_not_sample_again_after_a_failed_scoring():
    review = Review({"helpfulness": [DOWN, DOWN, 0.9, 0.7]})
    assert "is down" in review.shown["error"]
    assert review.shown["critiques_drawn"] == 2
    review.reply("search_again", length_modifier=0.0)
    assert review.labels == [(1, "kept", "It is 384,400 km.")]
    assert [len(request) for request in review.model.requests] == [2] * 5


def test_a_truncated_refinement_leaves_the_review_unchanged():
    review = Review(
        {"refine": ["Far, and of rock.", "Far, and of rock."]}, max_output_tokens={"refiner": 2}
    )
    reply = {"actions": [{"type": "keep", "id": 1}], "next": "refine"}
    output = review.graph.invoke(Command(resume=reply), review.thread)
    [interrupt] = output["__interrupt__"]
    assert "max_output_tokens" in interrupt.value["error"]
    assert [round_.answer for round_ in output["rounds"]] == [ANSWER]


def test_failed_refinement_leaves_the_review_unchanged():
    review = Review({"refine": [DOWN, "Far, and of rock."]})
    review.reply("refine", {"type": "add", "quote": "cheese", "text": "Rock."})
    assert "is down" in review.shown["error"]
    assert [number for number, *_ in review.labels] == [1, 2]
    with pytest.raises(InputError, match="not finished"):
        append_review("unused", review.output)
    assert review.reply("refine")["answer"] == "Far, and of rock."
    assert [len(draft.critiques) for draft in review.output["rounds"]] == [3, 0]


def test_review_can_be_accepted_after_the_budget_is_spent():
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
def test_any_replies_cost_only_one_search_and_one_refinement(replies: list[Any], next_step: str):
    review = Review()
    for reply in replies:
        before = review.shown
        review.resume(reply)
        assert json.loads(json.dumps(review.shown)) == review.shown
        assert (review.shown["error"] is None) == (reply in GOOD)
        if reply not in GOOD:
            assert review.shown["comments"] == before["comments"]
    shown = review.shown["comments"]
    output = review.reply(next_step, {"type": "add", "quote": "all of it", "text": "Not all."})
    labels = [label.model_dump() for label in output["labels"]]
    assert labels[:-1] == shown
    assert output["critique"].comments == [label.after for label in output["labels"] if label.after]
    assert output["stop_reason"] == "reviewed"
    assert len(review.model.requests) == output["usage"].calls == 3 + (next_step == "refine")


async def find_cheese(question: str, draft: str) -> list[Comment]:
    return [Comment(quote="cheese", text="A checker knows better.", severity="high")]


async def failing_checker(question: str, draft: str) -> list[Comment]:
    raise RuntimeError("no such tool")


def test_checker_findings_appear_and_keep_their_source_until_edited():
    review = Review(checkers=[find_cheese])
    assert review.labels == [
        (1, "kept", "A checker knows better."),
        (2, "kept", "It is 384,400 km."),
    ]
    assert review.shown["comments"][0]["after"]["source"] == "find_cheese"
    first, second = review.reply("accept", {"type": "edit", "id": 1, "text": "I know better."})[
        "labels"
    ]
    assert (first.before.source, first.after.source) == ("find_cheese", None)
    assert second.before == second.after


def test_search_can_follow_a_failed_checker():
    review = Review(checkers=[failing_checker])
    assert "no such tool" in review.shown["error"]
    review.reply("search_again", length_modifier=0.0)
    assert review.labels == [(1, "kept", "It is 384,400 km.")]


def test_without_a_critic_only_checker_findings_appear():
    review = Review(checkers=[find_cheese], critic="none", search="fsbs")
    assert review.labels == [(1, "kept", "A checker knows better.")]
    review.reply("search_again", length_modifier=1.0)
    assert "no critic to search with" in review.shown["error"]
    assert review.reply("refine")["answer"] == "Far, and of rock."
    assert len(review.model.requests) == 1


def test_beam_search_reselects_without_new_requests():
    saver = InMemorySaver(serde=serializer())
    options: Any = {
        "model": "simulated?seed=3",
        "search": "fsbs",
        "fsbs": FSBSConfig(n=3, k=1, d=2),
    }
    graph = create_human_review(**options).compile(checkpointer=saver)
    thread: Any = {"configurable": {"thread_id": "t"}}
    output = graph.invoke(SORTING, thread)
    assert output["__interrupt__"][0].value["critiques_drawn"] == 3 * (1 * 1 + 1)
    calls = output["usage"].calls
    comment_counts = []
    for modifier in (-9.0, 9.0):
        reply: Any = Command(resume={"next": "search_again", "length_modifier": modifier})
        [interrupt] = graph.invoke(reply, thread)["__interrupt__"]
        comment_counts.append(len(interrupt.value["comments"]))
    assert comment_counts[0] < comment_counts[1]
    assert graph.invoke(Command(resume={"next": "accept"}), thread)["usage"].calls == calls


def test_new_beam_search_uses_the_new_length_modifier():
    """The first search fails before any critique; the second uses the graph's default model."""
    saver = InMemorySaver(serde=serializer())
    options: Any = {
        "model": "simulated?seed=3",
        "search": "fsbs",
        "fsbs": FSBSConfig(n=3, k=1, d=2),
    }
    graph = create_human_review(**options).compile(checkpointer=saver)
    thread: Any = {"configurable": {"thread_id": "t"}}
    failing_critic: Any = {"critic": ScriptedModel(script={"critique": []})}
    [interrupt] = graph.invoke(SORTING, thread, context=failing_critic)["__interrupt__"]
    assert (interrupt.value["critiques_drawn"], interrupt.value["comments"]) == (0, [])
    assert "no reply number 1" in interrupt.value["error"]
    output = graph.invoke(Command(resume={"next": "search_again", "length_modifier": 9.0}), thread)
    scored = [critique for critique in output["rounds"][0].critiques if critique.reward is not None]
    most_comments = max(len(critique.comments) for critique in scored)
    assert len(output["__interrupt__"][0].value["comments"]) == most_comments > 1


def test_requires_a_thread_before_any_request():
    model = ScriptedModel(script=SCRIPT)
    with pytest.raises(InputError, match="thread_id"):
        create_human_review(model=model).compile().invoke(REVIEW_INPUT)
    assert model.requests == []


def test_next_review_on_a_thread_starts_fresh():
    review = Review({name: replies * 2 for name, replies in SCRIPT.items()})
    review.reply("accept", {"type": "add", "quote": "moon", "text": "Which?"})
    review.output = review.graph.invoke(REVIEW_INPUT, review.thread)
    assert review.labels == [(1, "kept", "It is 384,400 km.")]
    assert review.reply("accept")["usage"].calls == 3


def test_async_review_equals_the_sync_one():
    async def run() -> Any:
        model = ScriptedModel(script=SCRIPT)
        saver = InMemorySaver(serde=serializer())
        graph = create_human_review(model=model, num_critiques=2).compile(checkpointer=saver)
        thread: Any = {"configurable": {"thread_id": "t"}}
        shown = (await graph.ainvoke(REVIEW_INPUT, thread))["__interrupt__"][0].value
        await graph.ainvoke(Command(resume="nonsense"), thread)
        output = await graph.ainvoke(Command(resume={"next": "refine"}), thread)
        return shown, output["answer"], len(model.requests)

    assert asyncio.run(run()) == (Review().shown, "Far, and of rock.", 4)


def test_append_review_writes_json_lines(tmp_path: Path):
    path = tmp_path / "labels.jsonl"
    actions = [{"type": "remove", "id": 1}, {"type": "add", "quote": "moon", "text": "„?“"}]
    for next_step in ("accept", "refine"):
        append_review(path, Review().reply(next_step, *actions))
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert [row["decision"] for row in rows] == ["accept", "refine"]
    for row in rows:
        assert (row["question"], row["answer"], row["context"]) == (
            REVIEW_INPUT["question"],
            ANSWER,
            "",
        )
        labels = [ReviewedComment.model_validate(label) for label in row["labels"]]
        assert [label.action for label in labels] == ["removed", "added"]
        assert row["critique"]["comments"] == [labels[1].after.model_dump()]
