"""Describe flaws as a code reviewer would: what is wrong, what it should be, and what it causes."""

import re
import textwrap

from selfcritic.agent.data.tampering.checks import Check
from selfcritic.agent.data.tampering.edits import Edit, changed_lines

_MAX_EVIDENCE_CHARS = 200
_OPERATOR_PART = re.compile(r"_([A-Za-z]+)_([A-Za-z]+)$")
_BOUNDARIES = {("Lt", "LtE"), ("LtE", "Lt"), ("Gt", "GtE"), ("GtE", "Gt")}
_INVERSE = {
    ("Eq", "NotEq"),
    ("NotEq", "Eq"),
    ("Lt", "GtE"),
    ("GtE", "Lt"),
    ("Gt", "LtE"),
    ("LtE", "Gt"),
}
_PROBLEMS = {
    "AddNot": "This condition is negated.",
    "NumberReplacer": "This number is off by one.",
    "ReplaceTrueWithFalse": "This value is inverted.",
    "ReplaceFalseWithTrue": "This value is inverted.",
    "ReplaceAndWithOr": "One of these conditions is not enough: both must hold.",
    "ReplaceOrWithAnd": "Both conditions are required here, but one of them is enough.",
    "ReplaceBreakWithContinue": "The loop goes on where it should end.",
    "ReplaceContinueWithBreak": "The loop ends where it should go on with the next item.",
    "ReplaceUnaryOperator_Delete_Not": "This condition lacks a negation.",
    "ReplaceUnaryOperator_Delete_USub": "This value has the wrong sign.",
}


def describe_flaw(original: str, edit: Edit, check: Check) -> str:
    """Return the description of a flaw, from its edit and the test that it fails."""
    if edit.description:
        problem = edit.description.strip()
        if not problem.endswith((".", "!", "?")):
            problem += "."
        return f"{problem}{_describe_evidence(check)}"
    before, _ = changed_lines(original, edit)
    problem = _PROBLEMS.get(edit.source) or _describe_operator(edit.source)
    return f"{problem} {_describe_correction(before)}{_describe_evidence(check)}"


def _describe_operator(name: str) -> str:
    match = _OPERATOR_PART.search(name)
    pair = (match[1], match[2]) if match else ("", "")
    if pair in _BOUNDARIES:
        return "This comparison is wrong at its boundary."
    if pair in _INVERSE:
        return "This condition is inverted."
    if "Comparison" in name:
        return "This comparison uses the wrong operator."
    if "BinaryOperator" in name:
        return "This calculation uses the wrong operator."
    return "This line is wrong."


def _describe_correction(line: str) -> str:
    if "\n" in line:
        return f"It should be:\n{line}\n"
    return f"The line should be `{line}`."


def _describe_evidence(check: Check) -> str:
    if check.outcome != "silent" or check.test == "oracle" or not check.message:
        return ""
    message = textwrap.shorten(check.message, _MAX_EVIDENCE_CHARS, placeholder=" …")
    return f" Because of this line alone, {message.rstrip('.')}."
