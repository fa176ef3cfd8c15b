"""Descriptions of rules for reports."""

import pytest

from selfcritic.agent.checkers import rules
from selfcritic.agent.checkers.rules import describe_rule

RULES = [
    "ruff/F821",
    "ruff/PLE0604",
    "ruff/invalid-syntax",
    "pyright/reportOptionalMemberAccess",
    "pyright/syntax-error",
    "syntax/SyntaxError",
    "syntax/newer-python",
    "arithmetic/false-equation",
    "unit_tests",
    "critic",
    "my checker",
    "ruff/",
    "ruff/NEW123",
    "a/b/c",
]


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_has_complete_sentences(rule: str):
    description = describe_rule(rule)
    assert description.id == rule
    assert description.name.isalnum()
    assert description.name[0].isupper()
    for text in (description.short, description.full):
        assert text.endswith(".")
        assert "\n" not in text
    assert description.help
    assert len(description.short) <= len(description.full)


def test_ruff_describes_its_rules():
    description = describe_rule("ruff/F821")
    assert description.name == "UndefinedName"
    assert description.short == "Checks for uses of undefined names."
    assert "raise `NameError` at runtime" in description.full
    assert description.help.startswith("## What it does")
    assert description.help_uri == "https://docs.astral.sh/ruff/rules/undefined-name/"


def test_rule_is_described_without_ruff(monkeypatch: pytest.MonkeyPatch):
    def find_no_ruff():
        raise FileNotFoundError("ruff")

    monkeypatch.setattr(rules.ruff, "find_ruff_bin", find_no_ruff)
    describe_rule.cache_clear()
    assert describe_rule("ruff/B006").short == "Ruff's rule B006."
    describe_rule.cache_clear()


def test_pyright_rule_links_to_its_documentation():
    description = describe_rule("pyright/reportOptionalMemberAccess")
    assert description.short == "Type error: optional member access."
    assert description.help_uri is not None
    assert description.help_uri.endswith("#reportOptionalMemberAccess")
