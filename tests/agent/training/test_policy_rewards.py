"""Tests of the rewards of a critic policy."""

import pytest

from selfcritic.agent.data.records import AnswerRecord
from selfcritic.agent.training import policy_rewards
from selfcritic.agent.training.policy_rewards import PolicyRewards

RECORD = AnswerRecord(id="1", task="1", question="1 + 1?", answer="It is 3.")
GOOD = "```\n3\n```\nIt should be 2."
UNGROUNDED = "```\n7\n```\nIt should be 2."


def create_rewards() -> PolicyRewards:
    return PolicyRewards([RECORD], lambda _, texts: [-float(len(text)) for text in texts])


def test_a_critique_without_a_comment_scores_less_than_the_worst_other_one():
    longer = f"{GOOD} Count again."
    scores = create_rewards().proxy([GOOD, "Fine.", longer, UNGROUNDED], ["1"] * 4)
    assert scores[1] == scores[3] == min(scores[0], scores[2]) - 1
    assert scores[2] < scores[0]


def test_a_batch_without_comments_has_equal_scores():
    assert create_rewards().proxy(["Fine.", "Good."], ["1"] * 2) == [-1, -1]


def test_grounded_is_the_share_of_quotes_and_logs_counts():
    logged: dict[str, float] = {}
    both = f"{GOOD}\n{UNGROUNDED}"
    shares = create_rewards().grounded([GOOD, both, "Fine."], ["1"] * 3, logged.__setitem__)
    assert shares == [1, 0.5, 0]
    assert logged["highlights"] == pytest.approx(2 / 3)
    assert logged["ungrounded"] == pytest.approx(0.5)


def test_each_batch_is_parsed_once(monkeypatch: pytest.MonkeyPatch):
    parsed = []
    original = policy_rewards.to_sample

    def count(*arguments: str):
        parsed.append(arguments)
        return original(*arguments)

    monkeypatch.setattr(policy_rewards, "to_sample", count)
    rewards = create_rewards()
    for batch in ([GOOD, "Fine."], ["Fine.", GOOD]):
        for function in rewards.functions():
            function(completions=batch, record=["1"] * 2)
    assert [text for _, _, text, _ in parsed] == [GOOD, "Fine.", "Fine.", GOOD]
    assert rewards.grounded(["Fine.", GOOD], ["1"] * 2) == [0, 1]
