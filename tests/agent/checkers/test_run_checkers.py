import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfcritic.agent import Comment
from selfcritic.agent.checkers.registry import run_checkers
from selfcritic.agent.errors import CheckerError
from selfcritic.agent.stopping import severity_counts

severities = st.lists(st.sampled_from([None, "low", "medium", "high"]), max_size=5)


def finding(severity=None) -> Comment:
    return Comment(quote="q", text="t", severity=severity)


def gathered(*checkers, answer: str = "Lyon is  big"):
    return asyncio.run(run_checkers({check.__name__: check for check in checkers}, "q", answer))


async def slow(_question: str, _draft: str):
    await asyncio.sleep(0.01)
    return [Comment(quote="is big", text="one")]


async def quick(_question: str, draft: str):
    return [Comment(quote="Lyon", start=0, end=4, text="two", source="map"), Comment(quote="Rome", text="three")]


async def strange(_question: str, _draft: str):
    return ["no comment"]


async def broken(_question: str, _draft: str):
    raise KeyError("map")


def test_findings_come_in_the_checkers_order_located_and_signed():
    found = gathered(slow, quick)
    assert [(one.text, one.quote, one.start, one.end, one.source) for one in found] == [
        ("one", "is  big", 5, 12, "slow"),
        ("two", "Lyon", 0, 4, "map"),
        ("three", "Rome", None, None, "quick"),  # what is known is not lost where its quote is not found
    ]


@pytest.mark.parametrize("checker", [broken, strange])
def test_a_checker_that_fails_is_named(checker):
    with pytest.raises(CheckerError, match=f"'{checker.__name__}' failed"):
        gathered(quick, checker)


@given(severities, severities)
def test_more_findings_weigh_no_less(some, more):
    assert severity_counts([finding(one) for one in some]) <= severity_counts([finding(one) for one in some + more])


def test_one_of_high_severity_weighs_more_than_many_of_medium_and_these_more_than_of_low():
    assert (
        severity_counts([finding("high")])
        > severity_counts([finding()] * 9)
        > severity_counts([finding("low")] * 99)
        > severity_counts([])
    )


def test_a_plain_function_is_a_checker():
    def plain(_question: str, _draft: str) -> list[Comment]:
        return [Comment(quote="Lyon", text="so")]

    assert [(one.text, one.start, one.source) for one in gathered(plain)] == [("so", 0, "plain")]
