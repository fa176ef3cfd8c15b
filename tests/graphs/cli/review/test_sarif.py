"""SARIF output: valid by its schema, with correct regions.

`sarif-2.1.0-rtm.5.json` is the OASIS schema that code hosts use, from the package @microsoft/jest-sarif.
"""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfcritic.agent.schemas import Round
from selfcritic.graphs.cli.review.documents import Document
from selfcritic.graphs.cli.review.result import Review
from selfcritic.graphs.cli.review.sarif import to_sarif
from tests.support.reviews import make_comment, make_review

SCHEMA = json.loads((Path(__file__).parents[2] / "data" / "sarif-2.1.0-rtm.5.json").read_text())
VALIDATOR = jsonschema.Draft4Validator(
    SCHEMA, format_checker=jsonschema.Draft4Validator.FORMAT_CHECKER
)
TEXT = "one 😀 two\r\n\tthree\r\nfour\r\n"


def sarif_run(*reviews: Review) -> dict[str, Any]:
    """Return the run of a validated log."""
    log = json.loads(json.dumps(to_sarif(reviews, "low")))
    VALIDATOR.validate(log)
    return log["runs"][0]


def test_the_validator_rejects_an_incomplete_log():
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate({"version": "2.1.0", "runs": [{}]})


def test_regions_count_utf16_units_from_1():
    finding = make_comment(TEXT, "two\r\n\tthree", "Wrong.", "high", source="lint")
    run = sarif_run(make_review(TEXT, findings=[finding]))
    [result] = run["results"]
    assert run["columnKind"] == "utf16CodeUnits"
    assert (result["ruleId"], result["level"], result["message"]["text"]) == (
        "lint",
        "error",
        "Wrong.",
    )
    location = result["locations"][0]["physicalLocation"]
    assert location["artifactLocation"] == {"uri": "calc.py", "uriBaseId": "%SRCROOT%"}
    assert location["region"] == {
        "startLine": 1,
        "startColumn": 8,
        "endLine": 2,
        "endColumn": 7,
        "charOffset": 7,
        "charLength": 11,
        "snippet": {"text": "two\r\n\tthree"},
    }


@given(st.text(alphabet="ab \t😀é\n\r", min_size=1), st.data())
def test_every_region_selects_its_quote(text: str, data: st.DataObject):
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    quote = text[start:end]
    comment = make_comment(text, quote, "Wrong.").model_copy(update={"start": start, "end": end})
    [result] = sarif_run(make_review(text, findings=[comment]))["results"]
    region = result["locations"][0]["physicalLocation"]["region"]

    utf16 = text.encode("utf-16-le")
    first_byte = 2 * region["charOffset"]
    num_bytes = 2 * region["charLength"]
    assert utf16[first_byte : first_byte + num_bytes].decode("utf-16-le") == quote

    all_lines = [line.removesuffix("\r") for line in text.split("\n")]
    lines = all_lines[region["startLine"] - 1 : region["endLine"]]
    last_line = lines[-1].encode("utf-16-le")
    lines[-1] = last_line[: 2 * (region["endColumn"] - 1)].decode("utf-16-le")
    first_line = lines[0].encode("utf-16-le")
    lines[0] = first_line[2 * (region["startColumn"] - 1) :].decode("utf-16-le")
    assert "\n".join(lines).replace("\r", "") == quote.rstrip("\r\n").replace("\r", "")


def test_part_of_a_file_has_line_numbers_but_no_offsets():
    text = "@@ line 40 @@\nforty\nforty-one\n"
    review = make_review(
        text,
        findings=[make_comment(text, "forty-one", "Wrong.")],
        line_numbers=[0, 40, 41],
        changed_lines=frozenset({2}),
    )
    region = sarif_run(review)["results"][0]["locations"][0]["physicalLocation"]["region"]
    assert (region["startLine"], region["endLine"], "charOffset" in region) == (41, 41, False)


def test_a_file_outside_the_repository_has_an_absolute_uri():
    review = make_review(
        TEXT, findings=[make_comment(TEXT, "one", "Wrong.")], uri="file:///elsewhere/x.py"
    )
    assert sarif_run(review)["artifacts"] == [{"location": {"uri": "file:///elsewhere/x.py"}}]


def test_rules_suppressions_and_fingerprints():
    findings = [
        make_comment(TEXT, "one", "A.", "low", source="lint", rule="ruff/F821"),
        make_comment(TEXT, "three", "B.", evidence="refuted"),
        make_comment(TEXT, "four", "C.", "high", evidence="confirmed"),
    ]
    run = sarif_run(make_review(TEXT, findings=findings))
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["critic", "ruff/F821"]
    assert [
        (result["ruleIndex"], result["level"], "suppressions" in result)
        for result in run["results"]
    ] == [
        (0, "error", False),
        (0, "warning", True),
        (1, "note", False),
    ]
    moved_text = "new\n" + TEXT
    moved_finding = make_comment(moved_text, "one", "Other words.", source="lint", rule="ruff/F821")
    moved_run = sarif_run(make_review(moved_text, findings=[moved_finding]))
    fingerprints = [result["partialFingerprints"] for result in run["results"]]
    assert moved_run["results"][0]["partialFingerprints"] == fingerprints[-1]
    assert len({json.dumps(fingerprint) for fingerprint in fingerprints}) == 3


def test_errors_and_unmatched_quotes_are_notifications():
    failed_review = Review(
        Document("b.py", "x", "b.py"),
        "q",
        {"rounds": [Round(answer="x")], "error": "The model is down."},
    )
    run = sarif_run(make_review(TEXT, "```\nseven\n```\nWhere?"), failed_review)
    [invocation] = run["invocations"]
    assert invocation["executionSuccessful"] is False
    notifications = invocation["toolExecutionNotifications"]
    assert [notification["message"]["text"] for notification in notifications] == [
        "The model is down.",
        "Not in the file: 'seven'. Where?",
    ]
    assert run["results"] == []
