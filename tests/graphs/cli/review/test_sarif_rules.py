"""SARIF as GitHub code scanning accepts it.

The slow test runs Microsoft's validator with GitHub's rules; the others check the same requirements without it.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from selfcritic.graphs.cli.app import app
from selfcritic.graphs.cli.review.documents import Skipped
from selfcritic.graphs.cli.review.sarif import to_sarif
from tests.support.reviews import make_comment, make_review

ROOT = Path(__file__).parents[4]
INSTALL = "npm install --prefix .tools @microsoft/sarif-multitool"
FILES = {
    "names.py": "import os\n\n\ndef mean(xs):\n    return sum(xs) / len(ys)\n",
    "syntax.py": "def f(:\n    pass\n",
    "types.py": "def f(xs: list[int]) -> str:\n    return xs.missing\n",
    "warn.py": "x = 1 is 1\n",
    "sums.md": "So 12 × 12 = 145, as is known.\n",
    "café 100%.py": "print(missing)\n",
    "x.ipynb": json.dumps({"cells": [{"cell_type": "code", "source": ["print(missing)"]}]}),
}
TEXT = "one two\nthree\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".git").mkdir()
    for name, text in FILES.items():
        Path(name).write_text(text)
    return tmp_path


def review(*checkers: str) -> dict[str, Any]:
    """Return the SARIF of a review with a critic and checkers."""
    critique = "```\nsum(xs)\n```\n[high] Slow.\n\n```\nmeen\n```\n[low] Where?"
    script = {"critique": [critique] * 9, "helpfulness": [0.9] * 9}
    Path("script.json").write_text(json.dumps(script))
    options = ["--model", f"scripted:{Path('script.json').resolve()}", "--num-critiques", "1"]
    for checker in checkers:
        options += ["--checker", checker]
    done = CliRunner().invoke(app, ["review", *FILES, "--sarif", *options])
    return json.loads(done.stdout)


@pytest.mark.usefixtures("folder")
def test_has_one_complete_rule_for_each_rule_id():
    run = review("syntax", "lint", "arithmetic")["runs"][0]
    check_rules(run)
    uris = check_results(run)
    assert "caf%C3%A9%20100%25.py" in uris
    ids = {result["ruleId"] for result in run["results"]}
    assert ids == {
        "ruff/F821", "ruff/F401", "ruff/invalid-syntax", "syntax/SyntaxError",
        "syntax/SyntaxWarning", "ruff/F632", "arithmetic/false-equation", "critic",
    }  # fmt: skip


def check_rules(run: dict[str, Any]) -> None:
    rules = run["tool"]["driver"]["rules"]
    ids = [rule["id"] for rule in rules]
    assert ids == sorted(set(ids))
    assert {result["ruleId"] for result in run["results"]} == set(ids)
    for rule in rules:
        for field in ("shortDescription", "fullDescription", "help"):
            assert 0 < len(rule[field]["text"]) <= 20_000
        assert len(rule["shortDescription"]["text"]) <= 1024
        assert rule["help"]["markdown"]
        assert rule["properties"]["precision"] in ("high", "medium")
        assert rule["properties"]["problem.severity"] in ("error", "warning", "recommendation")
        assert rule.get("name") != rule["id"]


def check_results(run: dict[str, Any]) -> set[str]:
    """Check order, rules and addresses; return the addresses."""
    rules = run["tool"]["driver"]["rules"]
    levels = [result["level"] for result in run["results"]]
    assert levels == sorted(levels, key=["error", "warning", "note"].index)
    uris: set[str] = set()
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert 0 < len(result["message"]["text"]) <= 4000
        uris.add(result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"])
    for uri in uris:
        assert not uri.startswith(("/", ".", "file:"))
        assert ":" not in uri
    return uris


@pytest.mark.slow
@pytest.mark.usefixtures("folder")
def test_the_validator_of_code_scanning_reports_no_error():
    log = review("syntax", "lint", "typecheck", "arithmetic")
    ids = {rule["id"] for rule in log["runs"][0]["tool"]["driver"]["rules"]}
    assert {"pyright/reportAttributeAccessIssue", "ruff/F821", "critic"} <= ids
    Path("log.sarif").write_text(json.dumps(log))
    assert validate("log.sarif") == []
    del log["runs"][0]["tool"]["driver"]["rules"][0]["fullDescription"]
    Path("broken.sarif").write_text(json.dumps(log))
    assert any("MissingFullDescription" in error for error in validate("broken.sarif"))


def validate(name: str) -> list[str]:
    """Return the errors of sarif-multitool with SARIF's and GitHub's rules."""
    local_tool = ROOT / ".tools" / "node_modules" / ".bin" / "sarif-multitool-linux"
    tool = shutil.which("sarif-multitool") or shutil.which(local_tool)
    if tool is None:
        pytest.skip(f"sarif-multitool is not installed: {INSTALL}")
    environment = {**os.environ, "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1"}  # needs no ICU
    errors: list[str] = []
    for rules in ("Sarif", "Ghas"):
        report = Path(f"{name}.{rules}")
        command = [tool, "validate", name, "--rule-kind", rules, "--output", str(report)]
        command += ["--level", "Error", "--kind", "Fail", "--log", "ForceOverwrite"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        assert report.exists(), done.stdout + done.stderr
        results = json.loads(report.read_text())["runs"][0]["results"]
        errors += [json.dumps(result) for result in results]
    return errors


def test_equal_quotes_have_different_fingerprints():
    text = "x x\n"
    comments = [
        make_comment(text, "x", "Same.").model_copy(update={"start": start, "end": start + 1})
        for start in (0, 2)
    ]
    results = to_sarif([make_review(text, findings=comments)], "low")["runs"][0]["results"]
    fingerprints = [result["partialFingerprints"]["quoteAndRule/v1"] for result in results]
    assert len(set(fingerprints)) == 2


def test_long_texts_are_cut():
    text = "one " * 1000
    comment = make_comment(text, text.strip(), "Wrong. " * 10_000, "high")
    [result] = to_sarif([make_review(text, findings=[comment])], "low")["runs"][0]["results"]
    assert len(result["message"]["text"]) == 4000
    assert "snippet" not in result["locations"][0]["physicalLocation"]["region"]


@pytest.mark.parametrize(
    ("rule", "severity", "security"),
    [("ruff/S102", "high", "8.0"), ("ruff/S102", "low", "3.0"), ("ruff/SIM102", "high", None)],
)
def test_security_rules_have_a_security_severity(rule: str, severity: Any, security: str | None):
    comment = make_comment(TEXT, "one", "A.", severity, source="lint", rule=rule)
    log = to_sarif([make_review(TEXT, findings=[comment])], "low")
    properties = log["runs"][0]["tool"]["driver"]["rules"][0]["properties"]
    assert properties.get("security-severity") == security
    assert ("security" in properties.get("tags", [])) == (security is not None)


def test_skipped_files_are_notifications():
    skipped = [
        Skipped("a.rs", "has no checker", "unsupported"),
        Skipped("b.py", "is cut off", "unreadable"),
    ]
    [invocation] = to_sarif([make_review(TEXT)], "low", skipped)["runs"][0]["invocations"]
    assert invocation["executionSuccessful"] is False
    notifications = invocation["toolExecutionNotifications"]
    assert [(note["level"], note["message"]["text"]) for note in notifications] == [
        ("note", "Skipped a.rs: it has no checker."),
        ("error", "Skipped b.py: it is cut off."),
    ]
