"""Force Sampling Beam Search: forced quotes, ranking, pruning, selection, and resuming after a crash."""

import asyncio
from collections import defaultdict
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
REVIEW_INPUT = {"question": "Write forty words.", "answer": ANSWER}
CLOSING = "\n\nThese issues must be addressed."


def continuation(number: int) -> str:
    """Return the text after an opening fence: a quote, a comment and a closing paragraph to strip."""
    return f"\n{WORDS[number % 40]}\n```\nIt is wrong for reason {number}.{CLOSING}"


def last_reason(critique: str) -> int:
    """Return the number of the last reason in a critique; -1 if it has none."""
    reasons = [line for line in critique.splitlines() if line.startswith("It is wrong")]
    return int(reasons[-1].split()[-1].rstrip(".")) if reasons else -1


class Numbered(ScriptedModel):
    """Gives a new reason in each critique; the last reason's number selects the reward."""

    @classmethod
    def of(cls, rewards: dict[int, float], by_beam: bool = False, **options) -> "Numbered":
        """Create a model that numbers its reasons by request, or by the beam it continues."""
        numbers: Iterator[int] = count()
        numbers_of_beams: defaultdict[int, Iterator[int]] = defaultdict(count)

        def next_number(prefix: str) -> int:
            if not by_beam:
                return next(numbers)
            beam = last_reason(prefix)
            return 4 * (beam + 1) + next(numbers_of_beams[beam])

        def reply(messages: list[BaseMessage]) -> str | float:
            prompt = parse_prompt(messages)
            if prompt.name == "helpfulness":
                return rewards.get(last_reason(prompt.data["critique"]), 0.0)
            text = continuation(next_number(messages[-1].text))
            is_prefilled = isinstance(messages[-1], AIMessage)
            return text if is_prefilled else "Sure:\n```" + text

        return cls(script=reply, **options)


def critique_prompts(model: ScriptedModel) -> list[str]:
    """Return the last message of each critique request."""
    return [
        messages[-1].text
        for messages in model.requests
        if parse_prompt(messages).name == "critique"
    ]


def search(rewards: dict[int, float] | None = None, supports_prefill: bool = True, **options):
    model = Numbered.of(rewards or {}, supports_prefill=supports_prefill)
    return create_review(model=model, search="fsbs", **options).compile().invoke(
        REVIEW_INPUT
    ), model


def test_default_search_ranks_28_critiques():
    output, _ = search()
    pool = output["rounds"][0].critiques
    assert [critique.iteration for critique in pool] == [0] * 4 + [1] * 8 + [2] * 8 + [3] * 8
    assert len(pool) == 28
    assert all(critique.reward is not None for critique in pool)
    assert [len(critique.comments) for critique in pool] == [1] * 4 + [2] * 8 + [3] * 8 + [4] * 8
    assert sum(critique.selected for critique in pool) == 1


@pytest.mark.parametrize(("n", "k", "d"), [(1, 1, 1), (3, 1, 4), (2, 2, 3), (5, 3, 2)])
def test_number_of_ranked_critiques_follows_the_papers_formula(n: int, k: int, d: int):
    output, _ = search(fsbs={"n": n, "k": k, "d": d})
    assert len(output["rounds"][0].critiques) == n * (k * (d - 1) + 1)


def test_forces_every_critique_to_start_with_a_quote():
    _, model = search()
    prefixes = critique_prompts(model)
    assert prefixes[:1] == ["```"]
    assert len(prefixes) == 1 + 2 + 2 + 2
    assert all(prefix.endswith("\n\n```") for prefix in prefixes[1:])


def test_extends_the_beams_with_the_highest_reward_without_their_closing_paragraph():
    output, model = search({1: 0.9, 3: 0.8}, length_modifier=5.0)
    prefixes = critique_prompts(model)
    kept = [
        f"```\n{WORDS[number]}\n```\nIt is wrong for reason {number}.\n\n```" for number in (1, 3)
    ]
    assert prefixes[1:3] == kept
    pool = output["rounds"][0].critiques
    assert [critique.text.startswith(kept[0]) for critique in pool[4:8]] == [True] * 4
    assert [critique.text.startswith(kept[1]) for critique in pool[8:12]] == [True] * 4


def test_selects_among_the_critiques_of_all_iterations():
    assert search({2: 0.9})[0]["critique"].iteration == 0
    assert search({2: 0.9}, length_modifier=0.29)[0]["critique"].iteration == 0
    assert search({2: 0.9}, length_modifier=0.31)[0]["critique"].iteration == 3
    assert search({2: 0.9}, length_modifier=-10.0)[0]["critique"].iteration == 0


@settings(max_examples=25)
@given(st.dictionaries(st.integers(0, 27), st.floats(0, 1)), st.floats(-2, 2))
def test_search_selects_the_same_critique_as_rerank(rewards, modifier):
    output, _ = search(rewards, length_modifier=modifier)
    pool = output["rounds"][0].critiques
    [selected] = [index for index, critique in enumerate(pool) if critique.selected]
    assert selected == rerank(pool, modifier)
    assert output["critique"] == pool[selected]


@settings(max_examples=25)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=6), st.floats(-1, 1))
def test_search_with_one_iteration_equals_best_of_n(scores, modifier):
    n = len(scores)
    rewards = dict(enumerate(scores))
    searched, _ = search(rewards, length_modifier=modifier, fsbs={"n": n, "d": 1})
    model = Numbered.of(rewards)
    graph = create_review(model=model, num_critiques=n, length_modifier=modifier).compile()
    sampled = graph.invoke(REVIEW_INPUT)
    assert sampled["critique"].comments == searched["critique"].comments
    sampled_pool, searched_pool = sampled["rounds"][0].critiques, searched["rounds"][0].critiques
    assert [critique.reward for critique in sampled_pool] == [
        critique.reward for critique in searched_pool
    ]


def test_model_without_prefill_gets_the_continue_prompt():
    output, model = search({1: 0.9}, supports_prefill=False)
    pool = output["rounds"][0].critiques
    assert output["capabilities"]["critic"].prefill == "prompted"
    assert len(pool) == 28
    assert [len(critique.comments) for critique in pool] == [1] * 4 + [2] * 8 + [3] * 8 + [4] * 8
    assert all(critique.text.startswith("```") and "Sure" not in critique.text for critique in pool)
    assert not any(isinstance(messages[-1], AIMessage) for messages in model.requests)
    prompt_names = [parse_prompt(messages).name for messages in model.requests]
    critic_prompts = [name for name in prompt_names if name != "helpfulness"]
    assert critic_prompts == ["critique"] + ["continue"] * 6


def test_records_native_prefill_as_a_capability():
    assert search()[0]["capabilities"]["critic"].prefill == "native"


def test_scores_equal_critiques_once():
    model = ScriptedModel(
        script={"critique": ["\nword1\n```\nwrong"] * 28, "helpfulness": [0.5] * 4}
    )
    output = create_review(model=model, search="fsbs").compile().invoke(REVIEW_INPUT)
    assert len(output["rounds"][0].critiques) == 28
    assert output["usage"].by_role["judge"].calls == 1  # repeated comments are merged into one


def test_search_with_only_ungrounded_quotes_stops_without_a_critique():
    model = ScriptedModel(script={"critique": ["\nunrelated words\n```\nwrong"] * 4})
    output = create_review(model=model, search="fsbs").compile().invoke(REVIEW_INPUT)
    assert (output["critique"], output["stop_reason"]) == (None, "no_helpful_critique")
    assert (output["ungrounded_rate"], len(output["rounds"][0].critiques)) == (1.0, 4)


@pytest.mark.parametrize("calls", [1, 3, 5, 6, 7, 12])
def test_budget_stop_returns_the_best_scored_critique(calls: int):
    output, model = search({1: 0.9}, budget=Budget(calls=calls))
    pool = output["rounds"][0].critiques
    assert output["stop_reason"] == "budget"
    assert len(model.requests) == output["usage"].calls == calls
    assert (output["critique"] is None) == all(critique.reward is None for critique in pool)


def test_model_error_returns_the_best_scored_critique():
    replies = [continuation(number) for number in range(4)] + [RuntimeError("gone")] * 8
    model = ScriptedModel(script={"critique": replies, "helpfulness": [0.1, 0.4, 0.3, 0.2]})
    output = create_review(model=model, search="fsbs").compile().invoke(REVIEW_INPUT)
    assert (output["stop_reason"], output["critique"].reward) == ("model_error", pytest.approx(0.4))
    assert "gone" in output["error"]


def test_self_critique_can_use_the_search():
    question = "Sort alphabetically: pear, apple, plum, fig, kiwi, lime"
    graph = create_self_critique(
        model="simulated?draft_error_rate=1&refine_error_rate=0&judge_error_rate=0&miss_rate=0",
        search="fsbs",
        seed=5,
    ).compile()
    output = graph.invoke({"question": question})
    assert output["answer"] == "apple, fig, kiwi, lime, pear, plum"
    assert output["stop_reason"] == "accepted"
    assert len(output["rounds"][0].critiques) == 28
    assert output["messages"][-1].text == output["answer"]


def test_self_critique_requires_a_helpful_critique():
    replies = {"generate": ANSWER, "classify": 0.9, "helpfulness": 0.4}
    model = ScriptedModel(
        script=lambda messages: replies.get(parse_prompt(messages).name or "", continuation(3))
    )
    output = create_self_critique(model=model, search="fsbs").compile().invoke({"question": "q"})
    assert output["stop_reason"] == "no_helpful_critique"
    assert not any(critique.selected for critique in output["rounds"][0].critiques)


def test_search_is_also_a_graph():
    output = create_fsbs(model=Numbered.of({})).compile().invoke(REVIEW_INPUT)
    assert len(output["rounds"][0].critiques) == 28
    nodes = set(create_fsbs().compile().get_graph().nodes)
    assert {"load_answer", "check_answer", "expand_beams", "score", "prune_beams", "select"} < nodes


class CrashError(RuntimeError):
    """Simulates a crash of the process: an error that no run handles."""


@pytest.mark.parametrize("crash_call", range(1, 8))
def test_crashed_search_resumes_with_its_finished_iterations(
    crash_call: int, monkeypatch: pytest.MonkeyPatch
):
    # Concurrent requests may be sent in another order after the crash.
    model, same_model = [Numbered.of({1: 0.9, 7: 0.95}, by_beam=True) for _ in range(2)]
    expected = create_review(model=same_model, search="fsbs").compile().invoke(REVIEW_INPUT)
    graph = create_review(model=model, search="fsbs").compile(
        checkpointer=InMemorySaver(serde=serializer())
    )
    config = {"configurable": {"thread_id": "t"}}
    calls = count(1)

    def crashing(critique: Critique, **options: bool) -> bool:
        if next(calls) == crash_call:
            raise CrashError
        return is_eligible(critique, **options)

    from selfcritic.agent.nodes import search as node

    is_eligible = node.is_eligible
    monkeypatch.setattr(node, "is_eligible", crashing)

    async def run():
        with pytest.raises(CrashError):
            await graph.ainvoke(REVIEW_INPUT, config, durability="sync")
        return await graph.ainvoke(None, config, durability="sync")

    output = asyncio.run(run())
    assert output["critique"] == expected["critique"]
    pool, expected_pool = output["rounds"][0].critiques, expected["rounds"][0].critiques
    assert [critique.text for critique in pool] == [critique.text for critique in expected_pool]
    assert output["usage"].calls == expected["usage"].calls == len(model.requests)
