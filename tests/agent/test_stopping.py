"""Stop reasons and the best round, as functions of verdicts and findings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfcritic.agent import Comment, Context, Round
from selfcritic.agent.stopping import best_round, find_stop_reason, severity_counts


def judged_rounds(*values: float | None) -> list[Round]:
    return [Round(answer=str(index), p_critiqueable=value) for index, value in enumerate(values)]


@pytest.mark.parametrize(
    ("values", "options", "expected"),
    [
        ([0.4], {}, "accepted"),
        ([0.5], {}, None),
        ([0.9, 0.8, 0.7, 0.6], {"max_rounds": 3}, "max_rounds"),
        ([0.9], {"max_rounds": 0}, "max_rounds"),
        ([0.9, 0.9, 0.9], {"max_rounds": 9}, "plateau"),
        ([0.9, 0.895, 0.895], {"max_rounds": 9}, "plateau"),
        ([0.9, 0.9, 0.88], {"max_rounds": 9}, None),
        ([0.9, 0.9], {"max_rounds": 9, "patience": 1}, "plateau"),
        ([0.6, 0.9, 0.4], {"max_rounds": 2}, "accepted"),
        ([0.0], {"accept_threshold": 0.0}, None),
    ],
)
def test_stop_reason(values, options, expected):
    assert find_stop_reason(judged_rounds(*values), Context(**options)) == expected


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.integers(0, 8))
def test_a_run_stops_after_max_rounds(values, max_rounds):
    if len(values) > max_rounds:
        assert find_stop_reason(judged_rounds(*values), Context(max_rounds=max_rounds)) is not None


probabilities = st.lists(st.one_of(st.none(), st.floats(0, 1)), min_size=1)


@given(probabilities)
def test_best_round_has_the_lowest_probability(values):
    rounds = [Round(answer=str(index), p_critiqueable=value) for index, value in enumerate(values)]
    best = values[best_round(rounds)]
    judged = [value for value in values if value is not None]
    assert best == (min(judged) if judged else None)


@given(probabilities)
def test_best_round_is_the_earliest_of_equals(values):
    rounds = [Round(answer=str(index), p_critiqueable=value) for index, value in enumerate(values)]
    best = best_round(rounds)
    assert values[best] not in values[:best]


def draft(p: float, judged_by: str = "logprobs", **fields) -> Round:
    return Round(answer="x", p_critiqueable=p, judged_by=judged_by, **fields)


def test_a_truncated_draft_is_never_the_best_or_accepted():
    rounds = [draft(0.9), draft(0.1, is_truncated=True)]
    assert best_round(rounds) == 0
    assert find_stop_reason(rounds, Context()) is None
    assert best_round([draft(0.1, is_truncated=True), Round(answer="unjudged but whole")]) == 1


def test_an_unchecked_draft_needs_fewer_findings_to_be_the_best():
    findings = [Comment(quote="x", text="Wrong.", severity="low")]
    unchecked = draft(0.1, is_unchecked=True)
    assert best_round([unchecked, draft(0.9)]) == 1
    assert best_round([draft(0.9), unchecked]) == 0
    assert best_round([draft(0.9, findings=findings), unchecked]) == 1
    assert best_round([unchecked]) == 0


def test_logprobs_and_votes_are_not_compared():
    assert best_round([draft(0.8), draft(0.7), draft(0.6, "votes")]) == 1
    assert best_round([draft(0.8), draft(0.7, "votes"), draft(0.75, "votes")]) == 1
    assert best_round([draft(0.8), draft(0.7, "votes")]) == 0


def test_there_is_no_plateau_between_methods():
    rounds = [draft(0.6), draft(0.9, "votes"), draft(0.9, "votes")]
    assert find_stop_reason(rounds, Context(max_rounds=9)) is None


severities = st.lists(st.sampled_from([None, "low", "medium", "high"]), max_size=3)


@given(st.lists(st.tuples(st.floats(0, 1), severities), min_size=1))
def test_findings_count_before_the_verdict(judged):
    rounds = [
        Round(
            answer="",
            p_critiqueable=p,
            findings=[
                Comment(quote="", text="", severity=severity) for severity in severities_found
            ],
        )
        for p, severities_found in judged
    ]
    best = rounds[best_round(rounds)]
    assert severity_counts(best.findings) == min(
        severity_counts(draft.findings) for draft in rounds
    )
    rivals = [
        draft.p_critiqueable
        for draft in rounds
        if severity_counts(draft.findings) == severity_counts(best.findings)
    ]
    assert best.p_critiqueable == min(p for p in rivals if p is not None)


def finding(severity=None) -> Comment:
    return Comment(quote="q", text="t", severity=severity)


@given(severities, severities)
def test_more_findings_never_count_less(some, more):
    some_findings = [finding(severity) for severity in some]
    more_findings = [finding(severity) for severity in more]
    assert severity_counts(some_findings) <= severity_counts(some_findings + more_findings)


def test_one_finding_outweighs_any_number_of_lower_severity():
    high = severity_counts([finding("high")])
    medium = severity_counts([finding()] * 9)
    low = severity_counts([finding("low")] * 99)
    assert high > medium > low > severity_counts([])
