"""The order of findings by severity."""

from hypothesis import given
from hypothesis import strategies as st

from selfcritic.agent import Comment
from selfcritic.agent.stopping import severity_counts

severities = st.lists(st.sampled_from([None, "low", "medium", "high"]), max_size=5)


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
