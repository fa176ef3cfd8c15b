"""Write, parse and translate the sentences of a functions specification.

One phrasing string serves to write and to parse a sentence. In it, "(a|b)" is either option and "{k}" is a number; the
letter is a key of `_NUMBER_KINDS`.
"""

import random
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

ClauseKind = Literal["scope", "step", "return", "empty"]

HEADER = "Write a Python function f(xs)"


class _NumberKind(NamedTuple):
    pattern: str
    drawn: range


_NUMBER_KINDS: Mapping[str, _NumberKind] = {
    "n": _NumberKind(r"[1-9]\d{0,2}", range(2, 5)),  # how many
    "d": _NumberKind(r"[1-9]\d{0,3}", range(2, 6)),  # a divisor
    "p": _NumberKind(r"-?\d{1,4}", range(2, 10)),  # an operand
    "k": _NumberKind(r"-?\d{1,4}", range(-2, 10)),  # a threshold
    "v": _NumberKind(r"-?\d{1,4}|None", range(-1, 2)),  # a return value
}
_EXAMPLE_NUMBERS = {"n": "2", "d": "3", "p": "4", "k": "5", "v": "0"}

_CHOICE = re.compile(r"\(([^)]*)\)")
_NUMBER = re.compile(r"\{(\w)\}")


@dataclass(frozen=True)
class Clause:
    """A sentence of a specification, parsed."""

    kind: ClauseKind
    phrase: str
    code: Mapping[str, str]
    """Code fragments, by their place in the function."""


@dataclass(frozen=True)
class Form:
    """One kind of sentence."""

    kind: ClauseKind
    phrasing: str
    code: Mapping[str, str]
    """Code fragments, by their place in the function."""

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """The regular expression that matches the phrasing."""
        source = self.phrasing.replace("(", "(?:").replace("numbers", "numbers?")
        source = _NUMBER.sub(_number_group, source)
        return re.compile(source, re.IGNORECASE)

    @property
    def example(self) -> str:
        """A sentence with the first option of each choice."""
        words = _CHOICE.sub(lambda match: _options(match)[0], self.phrasing)
        return _fill_in(words, _EXAMPLE_NUMBERS)

    def draw(self, rng: random.Random) -> str:
        """Draw a sentence of this form."""
        words = _CHOICE.sub(lambda match: rng.choice(_options(match)), self.phrasing)
        # Draw all kinds, even unused ones: the seeds depend on the number of draws.
        numbers = {name: str(rng.choice(kind.drawn)) for name, kind in _NUMBER_KINDS.items()}
        return _fill_in(words, numbers)

    def parse(self, sentence: str) -> Clause | None:
        """Parse a sentence; return None if it has another form."""
        match = self.pattern.fullmatch(sentence)
        if match is None:
            return None
        numbers = {name: _normalize_number(text) for name, text in match.groupdict().items()}
        code = {place: _fill_in(template, numbers) for place, template in self.code.items()}
        return Clause(self.kind, sentence, code)


def _options(match: re.Match[str]) -> list[str]:
    return match[1].split("|")


def _number_group(match: re.Match[str]) -> str:
    name = match[1]
    return f"(?P<{name}>{_NUMBER_KINDS[name].pattern})"


def _fill_in(template: str, numbers: Mapping[str, str]) -> str:
    return _NUMBER.sub(lambda match: numbers[match[1]], template)


def _normalize_number(text: str) -> str:
    if text.isalpha():
        return text.title()  # "none" is None
    return str(int(text))


class _Condition(NamedTuple):
    phrasing: str
    test: str
    opposite: str


class _Result(NamedTuple):
    phrasing: str
    initial: str
    update: str
    empty_test: str


_SCOPES = (
    ("(Skip|Leave out) the first {n} numbers", "xs[{n}:]"),
    ("(Skip|Leave out) the last {n} numbers", "xs[:-{n}]"),
    ("(Look only at|Use only) the first {n} numbers", "xs[:{n}]"),
    ("(Look only at|Use only) the last {n} numbers", "xs[-{n}:]"),
    ("Go through the numbers (backwards|from the end)", "xs[::-1]"),
    ("(Look only at|Use only) every second number, starting with the first", "xs[::2]"),
)
_CONDITIONS = (
    _Condition("(even numbers|the even numbers|numbers that are even)", "x % 2 == 0", "x % 2 != 0"),
    _Condition("(odd numbers|the odd numbers|numbers that are odd)", "x % 2 != 0", "x % 2 == 0"),
    _Condition(
        "(positive numbers|the positive numbers|numbers that are positive)", "x > 0", "x <= 0"
    ),
    _Condition(
        "(negative numbers|the negative numbers|numbers that are negative)", "x < 0", "x >= 0"
    ),
    _Condition("numbers (greater than|above|that are greater than) {k}", "x > {k}", "x <= {k}"),
    _Condition("numbers (less than|below|that are less than) {k}", "x < {k}", "x >= {k}"),
    _Condition("numbers (that are|of) at least {k}", "x >= {k}", "x < {k}"),
    _Condition("numbers (that are|of) at most {k}", "x <= {k}", "x > {k}"),
    _Condition("numbers (divisible by|that are divisible by) {d}", "x % {d} == 0", "x % {d} != 0"),
    _Condition(
        "numbers (not divisible by|that are not divisible by) {d}", "x % {d} != 0", "x % {d} == 0"
    ),
)
_CHANGES = (
    ("Square each( number|)", "x * x"),
    ("Double each( number|)", "x * 2"),
    ("Negate each( number|)", "-x"),
    ("Add {p} to each( number|)", "x + {p}"),
    ("Subtract {p} from each( number|)", "x - {p}"),
    ("Multiply each( number|) by {p}", "x * {p}"),
    ("Take the absolute value of each( number|)", "abs(x)"),
    ("Replace each( number|) by its remainder when divided by {d}", "x % {d}"),
)
_RESULTS = (
    _Result("the (sum|total)", "0", "out += x", "n == 0"),
    _Result("the product", "1", "out *= x", "n == 0"),
    _Result("the (count|number of numbers left)", "0", "out += 1", "out == 0"),
    _Result(
        "the (largest|greatest) one",
        "None",
        "if out is None or x > out:\n    out = x",
        "out is None",
    ),
    _Result("the smallest one", "None", "if out is None or x < out:\n    out = x", "out is None"),
    _Result("the last one", "None", "out = x", "out is None"),
    _Result("(the list|a list of them)", "[]", "out.append(x)", "not out"),
    _Result("the list without repeats", "[]", "if x not in out:\n    out.append(x)", "not out"),
)
_NUMBER_ENDINGS = (
    ("", "out"),
    (" plus {p}", "out + {p}"),
    (" minus {p}", "out - {p}"),
    (" times {p}", "out * {p}"),
    (" negated", "-out"),
    (" but at most {k}", "min(out, {k})"),
    (" but at least {k}", "max(out, {k})"),
)
_LIST_ENDINGS = (
    ("", "out"),
    (" in reverse order", "out[::-1]"),
    (" in ascending order", "sorted(out)"),
    (" in descending order", "sorted(out, reverse=True)"),
    (" cut to its first {n} numbers", "out[:{n}]"),
)


def _filter_form(phrasing: str, skip_test: str) -> Form:
    return Form("step", phrasing, {"body": f"if {skip_test}:\n    continue"})


def _return_forms() -> Iterable[Form]:
    for result in _RESULTS:
        endings = _LIST_ENDINGS if result.initial == "[]" else _NUMBER_ENDINGS
        for ending, value in endings:
            code = {
                "initial": result.initial,
                "update": result.update,
                "empty_test": result.empty_test,
                "result": value,
            }
            yield Form("return", f"Return {result.phrasing}{ending}", code)


SCOPES = tuple(Form("scope", phrasing, {"iterable": iterable}) for phrasing, iterable in _SCOPES)
FILTERS = (
    *(
        _filter_form(f"(Keep|Use) only {condition.phrasing}", condition.opposite)
        for condition in _CONDITIONS
    ),
    *(
        _filter_form(f"(Ignore|Drop) {condition.phrasing}", condition.test)
        for condition in _CONDITIONS
    ),
    _filter_form("(Keep|Use) only numbers (different from|other than) {k}", "x == {k}"),
    _filter_form("(Ignore|Drop) numbers equal to {k}", "x == {k}"),
)
CHANGES = tuple(Form("step", phrasing, {"body": f"x = {value}"}) for phrasing, value in _CHANGES)
RETURNS = tuple(_return_forms())
EMPTY = (
    Form("empty", "If (nothing|no number) is left(,|) return {v}", {"value": "{v}"}),
    Form("empty", "Return {v} if (nothing|no number) is left", {"value": "{v}"}),
)
FORMS = (*SCOPES, *FILTERS, *CHANGES, *RETURNS, *EMPTY)


def _vocabulary() -> Iterable[str]:
    texts = [HEADER, "def f(xs): out = n for x in: y = break y"]
    for form in FORMS:
        texts += [form.phrasing, *form.code.values()]
    for text in texts:
        yield from re.findall("[A-Za-z]{2,}|(?<![{])[A-Za-z](?![}])", text)


VOCABULARY = tuple(sorted(set(_vocabulary())))
"""The words of specifications and of their code."""


def describe_forms() -> str:
    """List all sentences, for an error message."""
    optional = [form.example for form in (*SCOPES, *FILTERS, *CHANGES, EMPTY[0])]
    results = [form.example for form in RETURNS if form.code["result"] == "out"]
    endings = []
    for ending, _ in (*_NUMBER_ENDINGS, *_LIST_ENDINGS):
        if ending:
            example = Form("return", ending, {}).example
            endings.append(f"…{example}")
    return (
        f'Write "{HEADER}", then any of: {_quote(optional)}; '
        f"and one of: {_quote(results)}, which may end in: {_quote(endings)}. "
        "End each sentence with a period."
    )


def _quote(texts: Iterable[str]) -> str:
    return ", ".join(f'"{text}"' for text in texts)
