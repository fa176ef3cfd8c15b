"""Describe the rules of findings, for reports such as SARIF."""

import json
import re
from dataclasses import dataclass
from functools import cache

import ruff

from selfcritic.agent.errors import CheckerError
from selfcritic.agent.sandbox.run import run_tool

_TIMEOUT_SECONDS = 20.0
_RUFF_URL = "https://docs.astral.sh/ruff/rules/"
_PYRIGHT_URL = "https://docs.basedpyright.com/latest/configuration/config-files/"


@dataclass(frozen=True)
class RuleDescription:
    """What a rule finds, and how to fix it."""

    id: str
    """Identifier, such as "ruff/F821"."""
    name: str
    """Name in PascalCase, such as "UndefinedName"."""
    short: str
    """One sentence."""
    full: str
    """What the rule finds, as plain text."""
    help: str
    """How to fix it, as Markdown."""
    help_uri: str | None = None


_OWN_RULES = {
    "syntax/SyntaxError": (
        "Python cannot compile the code.",
        "The compiler of the running Python rejects the code, so that the file cannot be imported.",
        "Correct the line that the message names. The error may start on the line above it.",
    ),
    "syntax/SyntaxWarning": (
        "Python warns of the code.",
        "The compiler accepts the code and warns that it is probably a mistake, or an error in a later version.",
        "Change the code that the message names.",
    ),
    "syntax/newer-python": (
        "The syntax is newer than the oldest supported Python.",
        "The code uses syntax that the oldest version of Python that the project supports cannot compile.",
        "Use older syntax, or raise `requires-python` in pyproject.toml.",
    ),
    "ruff/invalid-syntax": (
        "The code has a syntax error.",
        "Ruff's parser cannot read the code. Only the first syntax error of a file is reported.",
        "Correct the line that the message names. The error may start on the line above it.",
    ),
    "pyright/syntax-error": (
        "The code has a syntax error.",
        "Pyright's parser cannot read the code. Only the first syntax error of a file is reported.",
        "Correct the line that the message names. The error may start on the line above it.",
    ),
    "arithmetic/false-equation": (
        "The equation is false.",
        "Both sides of the equation are numbers, and exact evaluation gives different values.",
        "Correct the calculation, or write ≈ if the value is rounded.",
    ),
    "unit_tests": (
        "A test fails.",
        "The code was run against the tests in a sandbox, and a test failed.",
        "Correct the code so that it does what the test requires.",
    ),
    "critic": (
        "A model's comment.",
        "A language model found a flaw in the quoted text. It may be mistaken.",
        "Verify the comment, then correct the quoted text.",
    ),
}


@cache
def describe_rule(rule: str) -> RuleDescription:
    """Describe a rule by its identifier, or a checker by its name.

    Unknown rules get a general description. Runs `ruff rule` for ruff's rules.
    """
    if rule in _OWN_RULES:
        short, full, advice = _OWN_RULES[rule]
        return RuleDescription(rule, _to_pascal_case(rule), short, full, advice)
    tool, _, code = rule.partition("/")
    if tool == "ruff" and code:
        return _describe_ruff_rule(rule, code)
    if tool == "pyright" and code:
        return _describe_pyright_rule(rule, code)
    return RuleDescription(
        id=rule,
        name=_to_pascal_case(rule),
        short=f"A finding of the checker {rule}.",
        full=f"The checker {rule} found an error in the quoted text.",
        help="Correct the quoted text; the message describes the error.",
    )


def _describe_ruff_rule(rule: str, code: str) -> RuleDescription:
    fields = _read_ruff_rule(code)
    name = fields.get("name") or code
    explanation = fields.get("explanation") or f"Ruff's rule {code}."
    summary = _paragraph(explanation, "What it does") or f"Ruff's rule {code}."
    reason = _paragraph(explanation, "Why is this bad?")
    return RuleDescription(
        id=rule,
        name=_to_pascal_case(name),
        short=_first_sentence(summary),
        full=f"{summary} {reason}".strip(),
        help=explanation.strip(),
        help_uri=f"{_RUFF_URL}{name}/" if fields else _RUFF_URL,
    )


def _read_ruff_rule(code: str) -> dict[str, str]:
    """Return what ruff reports about a rule; empty for a rule that it does not know."""
    try:
        command = [ruff.find_ruff_bin(), "rule", code, "--output-format", "json"]
        result = run_tool(command, seconds=_TIMEOUT_SECONDS)
        fields = json.loads(result.stdout)
    except (FileNotFoundError, CheckerError, ValueError):
        return {}
    return {key: value for key, value in fields.items() if isinstance(value, str)}


def _describe_pyright_rule(rule: str, code: str) -> RuleDescription:
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", code.removeprefix("report")).lower()
    return RuleDescription(
        id=rule,
        name=_to_pascal_case(code),
        short=f"Type error: {words}.",
        full=f"Pyright reports this error as {code} ({words}).",
        help=f"Correct the types that the message names. See the documentation of `{code}`.",
        help_uri=f"{_PYRIGHT_URL}#{code}",
    )


def _paragraph(markdown: str, heading: str) -> str:
    """Return the first paragraph below a heading, on one line without Markdown marks."""
    pattern = rf"^## {re.escape(heading)}\n+(.+?)(?:\n\n|\n#|\n```|\Z)"
    match = re.search(pattern, markdown, re.MULTILINE | re.DOTALL)
    if match is None:
        return ""
    text = re.sub(r"\[([^\]]+)\](?:\([^)]*\)|\[[^\]]*\])?", r"\1", match[1])
    return " ".join(text.split())


def _first_sentence(text: str) -> str:
    sentence = re.match(r".+?[.!?](?=\s|\Z)", text)
    return sentence[0] if sentence else f"{text}."


def _to_pascal_case(name: str) -> str:
    words = re.split(r"[^A-Za-z0-9]+", name)
    return "".join(word[:1].upper() + word[1:] for word in words)
