"""Write only what is new into the lists of the state."""

from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage, RemoveMessage
from langgraph.graph.message import REMOVE_ALL_MESSAGES

from selfcritic.agent.channels import changed_rounds, merge_messages, merge_rounds
from selfcritic.agent.schemas import Round
from selfcritic.agent.state import State, with_all_rounds, with_changed_rounds

ROUNDS = st.lists(st.builds(Round, answer=st.sampled_from("abc")), max_size=6)


def answers(rounds: Sequence[Round]) -> list[str]:
    return [round_.answer for round_ in rounds]


@given(ROUNDS, ROUNDS)
def test_changed_rounds_restore_the_new_list(before: list[Round], after: list[Round]):
    numbered = merge_rounds([], [changed_rounds([], before)])
    merged = merge_rounds(numbered, [changed_rounds(numbered, after)])
    assert answers(merged) == answers(after)
    assert [round_.index for round_ in merged] == list(range(len(after)))


@given(ROUNDS, st.lists(ROUNDS, max_size=4), st.integers(0, 4))
def test_writes_merge_alike_in_batches(start: list[Round], targets: list[list[Round]], split: int):
    writes = []
    current = start
    for target in targets:
        writes.append(changed_rounds(current, target))
        current = merge_rounds(current, writes[-1:])
    in_batches = merge_rounds(merge_rounds(start, writes[:split]), writes[split:])
    assert in_batches == merge_rounds(start, writes) == current


def test_a_write_has_only_the_changed_round():
    rounds = [Round(answer=answer, index=index) for index, answer in enumerate("abc")]
    judged = rounds[2].model_copy(update={"p_critiqueable": 0.5})
    assert changed_rounds(rounds, [*rounds[:2], judged]) == [judged]
    assert changed_rounds(rounds, rounds) == rounds[2:]
    assert changed_rounds(rounds, rounds[:1]) == rounds[:1]
    assert merge_rounds(rounds, [rounds[:1]]) == rounds[:1]
    assert merge_rounds(rounds, [[]]) == []


def test_a_write_of_rounds_without_an_index_replaces_all():
    rounds = [Round(answer=answer, index=index) for index, answer in enumerate("abc")]
    assert merge_rounds(rounds, [[Round(answer="new")]]) == [Round(answer="new")]


def test_rounds_that_were_edited_in_studio_are_json():
    rounds: list[Any] = [Round(answer="a", index=0), Round(answer="b", index=1)]
    edited: Any = {"answer": "c", "index": 1}
    assert merge_rounds(rounds, [[edited]]) == [rounds[0], edited]


def test_updates_without_rounds_are_unchanged():
    update: State = {"answer": "a"}
    assert with_changed_rounds({}, update) is update
    assert with_all_rounds({}, update) is update


def test_a_streamed_update_gets_all_rounds():
    before: State = {"rounds": [Round(answer="a", index=0)]}
    update = with_changed_rounds(before, {"rounds": [*before["rounds"], Round(answer="b")]})
    assert update["rounds"] == [Round(answer="b", index=1)]
    assert answers(with_all_rounds(before, update)["rounds"]) == ["a", "b"]


def test_messages_get_the_same_ids_each_time():
    writes: list[Any] = [[("user", "hi")], "again", [{"role": "assistant", "content": "hi"}]]
    first = merge_messages([], writes)
    assert [message.id for message in first] == [
        message.id for message in merge_messages([], writes)
    ]
    assert len({message.id for message in first}) == 3
    assert merge_messages(merge_messages([], writes[:1]), writes[1:]) == first


def test_messages_are_replaced_and_removed():
    messages = [HumanMessage("a", id="1"), AIMessage("b", id="2")]
    assert merge_messages(messages, [[AIMessage("c", id="2")]])[1].text == "c"
    assert merge_messages(messages, [RemoveMessage("1")]) == messages[1:]
    assert merge_messages(messages, [[RemoveMessage(REMOVE_ALL_MESSAGES)]]) == []
