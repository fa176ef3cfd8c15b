"""Force Sampling Beam Search: what is forced, ranked, kept and chosen, iteration by iteration; and that it survives."""

import asyncio
from collections.abc import Iterator
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, BaseMessage
from langgraph.checkpoint.memory import InMemorySaver

from selfcritic.agent import Budget, Critique
from selfcritic.agent.models.scripted import ScriptedModel
from selfcritic.graphs import create_fsbs, create_review, create_self_critique, rerank
from selfcritic.graphs.checkpoints import serializer
from selfcritic.prompts import parse_prompt

WORDS = [f"word{number}" for number in range(40)]
ANSWER = " ".join(WORDS)
ASKED = {"question": "Write forty words.", "answer": ANSWER}
CLOSING = "\n\nThese issues must be addressed."


def further(number: int) -> str:
    """What a model says behind the opening fence: a quote, a comment, and a closing paragraph to be cut off."""
    return f"\n{WORDS[number % 40]}\n```\nIt is wrong for reason {number}.{CLOSING}"


class Numbered(ScriptedModel):
    """Critiques with a new reason each; the reward of one is its `rewards` by its last reason."""

    @classmethod
    def of(cls, rewards: dict[int, float], **options) -> "Numbered":
        numbers: Iterator[int] = count()

        def say(messages: list[BaseMessage]) -> str | float:
            reading = parse_prompt(messages)
            if reading.role == "helpfulness":
                reasons = [int(line.split()[-1].rstrip(".")) for line in reading.data["critique"].splitlines()
                           if line.startswith("It is wrong")]  # fmt: skip
                return rewards.get(reasons[-1], 0.0)
            text = further(next(numbers))
            return text if isinstance(messages[-1], AIMessage) else "Sure:\n```" + text

        return cls(script=say, **options)


def search(rewards: dict[int, float] | None = None, supports_prefill: bool = True, **options):
    model = Numbered.of(rewards or {}, supports_prefill=supports_prefill)
    return create_review(model=model, search="fsbs", **options).compile().invoke(ASKED), model


def test_twenty_eight_critiques_are_ranked():
    output, _ = search()
    pool = output["rounds"][0].critiques
    assert [critique.iteration for critique in pool] == [0] * 4 + [1] * 8 + [2] * 8 + [3] * 8
    assert len(pool) == 28
    assert all(critique.reward is not None for critique in pool)
    assert [len(critique.comments) for critique in pool] == [1] * 4 + [2] * 8 + [3] * 8 + [4] * 8
    assert sum(critique.selected for critique in pool) == 1


@pytest.mark.parametrize(("n", "k", "d"), [(1, 1, 1), (3, 1, 4), (2, 2, 3), (5, 3, 2)])
def test_so_many_critiques_are_ranked_as_the_paper_counts(n: int, k: int, d: int):
    output, _ = search(fsbs={"n": n, "k": k, "d": d})
    assert len(output["rounds"][0].critiques) == n * (k * (d - 1) + 1)


def test_every_critique_is_forced_to_begin_with_a_quote():
    _, model = search()
    prefixes = [messages[-1].text for messages in model.requests if parse_prompt(messages).role == "critique"]
    assert prefixes[:1] == ["```"]
    assert len(prefixes) == 1 + 2 + 2 + 2
    assert all(prefix.endswith("\n\n```") for prefix in prefixes[1:])


def test_the_best_by_reward_alone_go_on_without_their_closing_paragraph():
    output, model = search({1: 0.9, 3: 0.8}, length_modifier=5.0)
    prefixes = [messages[-1].text for messages in model.requests if parse_prompt(messages).role == "critique"]
    kept = [f"```\n{WORDS[number]}\n```\nIt is wrong for reason {number}.\n\n```" for number in (1, 3)]
    assert prefixes[1:3] == kept
    pool = output["rounds"][0].critiques
    assert [critique.text.startswith(kept[0]) for critique in pool[4:8]] == [True] * 4
    assert [critique.text.startswith(kept[1]) for critique in pool[8:12]] == [True] * 4


def test_the_choice_is_made_over_all_iterations():
    assert search({2: 0.9})[0]["critique"].iteration == 0
    assert search({2: 0.9}, length_modifier=0.29)[0]["critique"].iteration == 0
    assert search({2: 0.9}, length_modifier=0.31)[0]["critique"].iteration == 3
    assert search({2: 0.9}, length_modifier=-10.0)[0]["critique"].iteration == 0


@settings(max_examples=25)
@given(st.dictionaries(st.integers(0, 27), st.floats(0, 1)), st.floats(-2, 2))
def test_the_run_chooses_as_the_formula_does(rewards, modifier):
    output, _ = search(rewards, length_modifier=modifier)
    pool = output["rounds"][0].critiques
    [chosen] = [index for index, critique in enumerate(pool) if critique.selected]
    assert chosen == rerank(pool, modifier)
    assert output["critique"] == pool[chosen]


@settings(max_examples=25)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=6), st.floats(-1, 1))
def test_best_of_n_is_the_search_with_one_iteration(scores, modifier):
    n = len(scores)
    rewards = dict(enumerate(scores))
    best, _ = search(rewards, length_modifier=modifier, fsbs={"n": n, "d": 1})
    model = Numbered.of(rewards)
    graph = create_review(model=model, num_critiques=n, length_modifier=modifier).compile()
    drawn = graph.invoke(ASKED)
    assert drawn["critique"].comments == best["critique"].comments
    assert [one.reward for one in drawn["rounds"][0].critiques] == [one.reward for one in best["rounds"][0].critiques]


def test_a_model_that_continues_nothing_is_asked_in_words():
    output, model = search({1: 0.9}, supports_prefill=False)
    pool = output["rounds"][0].critiques
    assert output["capabilities"]["critic"].prefill == "prompted"
    assert len(pool) == 28
    assert [len(critique.comments) for critique in pool] == [1] * 4 + [2] * 8 + [3] * 8 + [4] * 8
    assert all(critique.text.startswith("```") and "Sure" not in critique.text for critique in pool)
    assert not any(isinstance(messages[-1], AIMessage) for messages in model.requests)
    asked = [parse_prompt(messages).role for messages in model.requests if parse_prompt(messages).role != "helpfulness"]
    assert asked == ["critique"] + ["continue"] * 6


def test_a_model_that_continues_says_so():
    assert search()[0]["capabilities"]["critic"].prefill == "native"


def test_equal_critiques_are_scored_once():
    model = ScriptedModel(script={"critique": ["\nword1\n```\nwrong"] * 28, "helpfulness": [0.5] * 4})
    output = create_review(model=model, search="fsbs").compile().invoke(ASKED)
    assert len(output["rounds"][0].critiques) == 28
    assert output["usage"].by_role["judge"].calls == 1  # the same comment again and again is one comment


def test_a_search_that_finds_only_invented_quotes_ends_early_with_nothing():
    model = ScriptedModel(script={"critique": ["\nnever said\n```\nwrong"] * 4})
    output = create_review(model=model, search="fsbs").compile().invoke(ASKED)
    assert (output["critique"], output["stop_reason"]) == (None, "no_helpful_critique")
    assert (output["ungrounded_rate"], len(output["rounds"][0].critiques)) == (1.0, 4)


@pytest.mark.parametrize("calls", [1, 3, 5, 6, 7, 12])
def test_a_budget_leaves_the_best_of_what_was_found(calls: int):
    output, model = search({1: 0.9}, budget=Budget(calls=calls))
    pool = output["rounds"][0].critiques
    assert output["stop_reason"] == "budget"
    assert len(model.requests) == output["usage"].calls == calls
    assert (output["critique"] is None) == all(critique.reward is None for critique in pool)


def test_a_model_that_fails_midway_leaves_the_best_of_what_was_found():
    replies = [further(number) for number in range(4)] + [RuntimeError("gone")] * 8
    model = ScriptedModel(script={"critique": replies, "helpfulness": [0.1, 0.4, 0.3, 0.2]})
    output = create_review(model=model, search="fsbs").compile().invoke(ASKED)
    assert (output["stop_reason"], output["critique"].reward) == ("model_error", pytest.approx(0.4))
    assert "gone" in output["error"]


def test_the_loop_takes_the_search():
    asked = {"question": "Sort alphabetically: pear, apple, plum, fig, kiwi, lime"}
    graph = create_self_critique(
        model="simulated?draft_error_rate=1&refine_error_rate=0&judge_error_rate=0&miss_rate=0", search="fsbs", seed=5
    ).compile()
    output = graph.invoke(asked)
    assert output["answer"] == "apple, fig, kiwi, lime, pear, plum"
    assert output["stop_reason"] == "accepted"
    assert len(output["rounds"][0].critiques) == 28
    assert output["messages"][-1].text == output["answer"]


def test_the_loop_asks_the_choice_to_be_helpful():
    model = ScriptedModel(
        script=lambda messages: {"generate": ANSWER, "classify": 0.9, "helpfulness": 0.4}.get(
            parse_prompt(messages).role or "", further(3)
        )
    )
    output = create_self_critique(model=model, search="fsbs").compile().invoke({"question": "q"})
    assert output["stop_reason"] == "no_helpful_critique"
    assert not any(critique.selected for critique in output["rounds"][0].critiques)


def test_the_search_stands_alone():
    output = create_fsbs(model=Numbered.of({})).compile().invoke(ASKED)
    assert len(output["rounds"][0].critiques) == 28
    assert {"load_answer", "check_answer", "expand_beams", "score", "prune_beams", "select"} < set(
        create_fsbs().compile().get_graph().nodes
    )


class DeathError(RuntimeError):
    """Stands for the process's death: it is none of the failures that a run survives."""


@pytest.mark.parametrize("at", range(1, 8))
def test_a_search_that_broke_off_goes_on_with_the_iterations_it_has(at: int, monkeypatch: pytest.MonkeyPatch):
    whole, _ = search({1: 0.9, 7: 0.95})
    model = Numbered.of({1: 0.9, 7: 0.95})
    graph = create_review(model=model, search="fsbs").compile(checkpointer=InMemorySaver(serde=serializer()))
    config = {"configurable": {"thread_id": "t"}}
    seen = count(1)

    def dying(critique: Critique) -> bool:
        if next(seen) == at:
            raise DeathError
        return is_eligible(critique)

    from selfcritic.agent.nodes import search as node

    is_eligible = node.is_eligible
    monkeypatch.setattr(node, "is_eligible", dying)

    async def run():
        with pytest.raises(DeathError):
            await graph.ainvoke(ASKED, config, durability="sync")
        return await graph.ainvoke(None, config, durability="sync")

    output = asyncio.run(run())
    assert output["critique"] == whole["critique"]
    assert [one.text for one in output["rounds"][0].critiques] == [one.text for one in whole["rounds"][0].critiques]
    assert output["usage"].calls == whole["usage"].calls == len(model.requests)
