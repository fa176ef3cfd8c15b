"""SARIF that its schema accepts, with regions that a viewer finds.

The schema in `data/` is that of SARIF 2.1.0 (OASIS) in the form that code hosts check against, `sarif-2.1.0-rtm.5`, as
the package @microsoft/jest-sarif ships it.
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
from selfcritic.graphs.cli.review.result import Review, SeverityChoice
from selfcritic.graphs.cli.review.sarif import as_sarif
from tests.support.reviews import comment, reviewed

SCHEMA = json.loads((Path(__file__).parents[2] / "data" / "sarif-2.1.0-rtm.5.json").read_text())
CHECK = jsonschema.Draft4Validator(SCHEMA, format_checker=jsonschema.Draft4Validator.FORMAT_CHECKER)
TEXT = "one 😀 two\r\n\tthree\r\nfour\r\n"


def log(*reviews: Review) -> dict[str, Any]:
    made = json.loads(json.dumps(as_sarif(reviews, SeverityChoice.low)))
    CHECK.validate(made)
    return made["runs"][0]


def test_the_check_can_fail():
    with pytest.raises(jsonschema.ValidationError):
        CHECK.validate({"version": "2.1.0", "runs": [{}]})


def test_a_region_counts_in_utf16_from_1():
    run = log(reviewed(TEXT, findings=[comment(TEXT, "two\r\n\tthree", "Wrong.", "high", source="lint")]))
    [result] = run["results"]
    assert run["columnKind"] == "utf16CodeUnits"
    assert (result["ruleId"], result["level"], result["message"]["text"]) == ("lint", "error", "Wrong.")
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "calc.py", "uriBaseId": "%SRCROOT%"}
    assert place["region"] == {
        "startLine": 1, "startColumn": 8, "endLine": 2, "endColumn": 7,
        "charOffset": 7, "charLength": 11, "snippet": {"text": "two\r\n\tthree"},
    }  # fmt: skip


@given(st.text(alphabet="ab \t😀é\n\r", min_size=1), st.data())
def test_every_region_cuts_the_quote_out_of_the_file(text: str, data: st.DataObject):
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    found = comment(text, text[start:end], "Wrong.").model_copy(update={"start": start, "end": end})
    [result] = log(reviewed(text, findings=[found]))["results"]
    region = result["locations"][0]["physicalLocation"]["region"]
    units = text.encode("utf-16-le")
    at, size = 2 * region["charOffset"], 2 * region["charLength"]
    assert units[at : at + size].decode("utf-16-le") == text[start:end]
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    cut = lines[region["startLine"] - 1 : region["endLine"]]
    cut[-1] = cut[-1].encode("utf-16-le")[: 2 * (region["endColumn"] - 1)].decode("utf-16-le")
    cut[0] = cut[0].encode("utf-16-le")[2 * (region["startColumn"] - 1) :].decode("utf-16-le")
    assert "\n".join(cut).replace("\r", "") == text[start:end].rstrip("\r\n").replace("\r", "")


def test_a_piece_of_a_file_has_the_files_lines_and_no_offsets():
    text = "@@ line 40 @@\nforty\nforty-one\n"
    run = log(
        reviewed(text, findings=[comment(text, "forty-one", "Wrong.")], numbers=[0, 40, 41], changed=frozenset({2}))
    )
    region = run["results"][0]["locations"][0]["physicalLocation"]["region"]
    assert (region["startLine"], region["endLine"], "charOffset" in region) == (41, 41, False)


def test_a_file_outside_the_repository_has_an_absolute_address():
    run = log(reviewed(TEXT, findings=[comment(TEXT, "one", "Wrong.")], uri="file:///elsewhere/x.py"))
    assert run["artifacts"] == [{"location": {"uri": "file:///elsewhere/x.py"}}]


def test_rules_suppressions_and_fingerprints():
    findings = [
        comment(TEXT, "one", "A.", "low", source="lint"),
        comment(TEXT, "three", "B.", evidence="refuted"),
        comment(TEXT, "four", "C.", "high", evidence="confirmed"),
    ]
    run = log(reviewed(TEXT, findings=findings))
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["critic", "lint"]
    assert [(one["ruleIndex"], one["level"], "suppressions" in one) for one in run["results"]] == [
        (1, "note", False), (0, "warning", True), (0, "error", False),
    ]  # fmt: skip
    moved = log(reviewed("new\n" + TEXT, findings=[comment("new\n" + TEXT, "one", "Otherwise.", source="lint")]))
    assert moved["results"][0]["partialFingerprints"] == run["results"][0]["partialFingerprints"]
    assert len({json.dumps(one["partialFingerprints"]) for one in run["results"]}) == 3


def test_failures_and_invented_quotes_are_notifications():
    failed = Review(Document("b.py", "x", "b.py"), "q", {"rounds": [Round(answer="x")], "error": "The model is down."})
    run = log(reviewed(TEXT, "```\nseven\n```\nWhere?"), failed)
    [invocation] = run["invocations"]
    assert invocation["executionSuccessful"] is False
    assert [one["message"]["text"] for one in invocation["toolExecutionNotifications"]] == [
        "The model is down.", "Not in the file: 'seven'. Where?",
    ]  # fmt: skip
    assert run["results"] == []
