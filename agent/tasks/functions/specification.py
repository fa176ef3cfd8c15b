"""A controlled English for short Python functions over a list of numbers: drawn, read, and turned into code.

A specification is a row of sentences. Each has one of the forms below, and a form's phrasing is one string that both
writes and reads it: "(a|b)" is either of the two, "{k}" a number. What they mean together:

- "Write a Python function f(xs)" makes the text a specification.
- One sentence may say which numbers to go through. It stands before the steps.
- Any number of steps follow, taken with each number in the order in which they stand.
- One sentence says what to return; it may stand anywhere.
- One may say what to return if nothing is left. It must be there where there is no answer without a number, as for
  "Return the largest one".
"""

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

from selfcritic.agent.errors import InputError

Role = Literal["scope", "step", "return", "empty"]

HEADER = "Write a Python function f(xs)"
LONGEST = 12
"""Sentences that a specification may have behind its header."""

_MENTION = re.compile(r"function\s+f\s*\(\s*xs\s*\)", re.IGNORECASE)
_HEADER = re.compile(
    r"(?:please )?(?:write|define|give) (?:a|the) (?:short )?(?:python )?function f ?\( ?xs ?\)(?: in python)?",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.;\n]+")
_CONNECTIVE = re.compile(r"(?:and|first|next|then|finally)\b,? ", re.IGNORECASE)
_CHOICE = re.compile(r"\(([^)]*)\)")
_NUMBER = re.compile(r"\{(\w)\}")

_NUMBERS: Mapping[str, tuple[str, range]] = {  # how each kind of number is read, and which ones are drawn
    "n": (r"[1-9]\d{0,2}", range(2, 5)),  # how many
    "d": (r"[1-9]\d{0,3}", range(2, 6)),  # a divisor
    "p": (r"-?\d{1,4}", range(2, 10)),  # to calculate with
    "k": (r"-?\d{1,4}", range(-2, 10)),  # to compare with
    "v": (r"-?\d{1,4}|None", range(-1, 2)),  # to return
}


@dataclass(frozen=True)
class Line:
    """A line of the reference code, and the sentence that it follows from."""

    text: str
    phrase: str


@dataclass(frozen=True)
class Form:
    """Something that a sentence can say."""

    part: Role
    phrasing: str
    code: Mapping[str, str]
    """What it means, by the place in the function where it stands."""

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What reads the phrasing."""
        source = self.phrasing.replace("(", "(?:").replace("numbers", "numbers?")
        return re.compile(_NUMBER.sub(lambda m: f"(?P<{m[1]}>{_NUMBERS[m[1]][0]})", source), re.IGNORECASE)

    @property
    def example(self) -> str:
        """The sentence in its first words."""
        words = _CHOICE.sub(lambda m: m[1].split("|")[0], self.phrasing)
        return _number(words, {"n": "2", "d": "3", "p": "4", "k": "5", "v": "0"})

    def draw(self, rng: random.Random) -> str:
        """A sentence that says it."""
        words = _CHOICE.sub(lambda m: rng.choice(m[1].split("|")), self.phrasing)
        return _number(words, {name: str(rng.choice(drawn)) for name, (_, drawn) in _NUMBERS.items()})

    def read(self, sentence: str) -> "Clause | None":
        """What a sentence says, if it has this form."""
        if not (match := self.pattern.fullmatch(sentence)):
            return None
        numbers = {name: said.title() if said.isalpha() else str(int(said)) for name, said in match.groupdict().items()}
        return Clause(self.part, sentence, {place: _number(code, numbers) for place, code in self.code.items()})


@dataclass(frozen=True)
class Clause:
    """A sentence that was read."""

    part: Role
    phrase: str
    code: Mapping[str, str]


def _number(text: str, numbers: Mapping[str, str]) -> str:
    return _NUMBER.sub(lambda m: numbers[m[1]], text)


_SCOPES = (
    ("(Skip|Leave out) the first {n} numbers", "xs[{n}:]"),
    ("(Skip|Leave out) the last {n} numbers", "xs[:-{n}]"),
    ("(Look only at|Use only) the first {n} numbers", "xs[:{n}]"),
    ("(Look only at|Use only) the last {n} numbers", "xs[-{n}:]"),
    ("Go through the numbers (backwards|from the end)", "xs[::-1]"),
    ("(Look only at|Use only) every second number, starting with the first", "xs[::2]"),
)
_CONDITIONS = (  # which numbers, the test for them, and its opposite
    ("(even numbers|the even numbers|numbers that are even)", "x % 2 == 0", "x % 2 != 0"),
    ("(odd numbers|the odd numbers|numbers that are odd)", "x % 2 != 0", "x % 2 == 0"),
    ("(positive numbers|the positive numbers|numbers that are positive)", "x > 0", "x <= 0"),
    ("(negative numbers|the negative numbers|numbers that are negative)", "x < 0", "x >= 0"),
    ("numbers (greater than|above|that are greater than) {k}", "x > {k}", "x <= {k}"),
    ("numbers (less than|below|that are less than) {k}", "x < {k}", "x >= {k}"),
    ("numbers (that are|of) at least {k}", "x >= {k}", "x < {k}"),
    ("numbers (that are|of) at most {k}", "x <= {k}", "x > {k}"),
    ("numbers (divisible by|that are divisible by) {d}", "x % {d} == 0", "x % {d} != 0"),
    ("numbers (not divisible by|that are not divisible by) {d}", "x % {d} != 0", "x % {d} == 0"),
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
_RESULTS = (  # words, what `out` is at first, what each number does to it, and the test that there was none
    ("the (sum|total)", "0", "out += x", "n == 0"),
    ("the product", "1", "out *= x", "n == 0"),
    ("the (count|number of numbers left)", "0", "out += 1", "out == 0"),
    ("the (largest|greatest) one", "None", "if out is None or x > out:\n    out = x", "out is None"),
    ("the smallest one", "None", "if out is None or x < out:\n    out = x", "out is None"),
    ("the last one", "None", "out = x", "out is None"),
    ("(the list|a list of them)", "[]", "out.append(x)", "not out"),
    ("the list without repeats", "[]", "if x not in out:\n    out.append(x)", "not out"),
)
_NUMBER_ENDS = (
    ("", "out"),
    (" plus {p}", "out + {p}"),
    (" minus {p}", "out - {p}"),
    (" times {p}", "out * {p}"),
    (" negated", "-out"),
    (" but at most {k}", "min(out, {k})"),
    (" but at least {k}", "max(out, {k})"),
)
_LIST_ENDS = (
    ("", "out"),
    (" in reverse order", "out[::-1]"),
    (" in ascending order", "sorted(out)"),
    (" in descending order", "sorted(out, reverse=True)"),
    (" cut to its first {n} numbers", "out[:{n}]"),
)


def _skip(test: str) -> Mapping[str, str]:
    return {"body": f"if {test}:\n    continue"}


SCOPES = tuple(Form("scope", phrasing, {"over": over}) for phrasing, over in _SCOPES)
FILTERS = (
    *(Form("step", f"(Keep|Use) only {which}", _skip(opposite)) for which, _, opposite in _CONDITIONS),
    *(Form("step", f"(Ignore|Drop) {which}", _skip(test)) for which, test, _ in _CONDITIONS),
    Form("step", "(Keep|Use) only numbers (different from|other than) {k}", _skip("x == {k}")),
    Form("step", "(Ignore|Drop) numbers equal to {k}", _skip("x == {k}")),
)
CHANGES = tuple(Form("step", phrasing, {"body": f"x = {value}"}) for phrasing, value in _CHANGES)
RETURNS = tuple(
    Form("return", f"Return {words}{end}", {"start": start, "update": update, "nothing": nothing, "result": result})
    for words, start, update, nothing in _RESULTS
    for end, result in (_LIST_ENDS if start == "[]" else _NUMBER_ENDS)
)
EMPTY = (
    Form("empty", "If (nothing|no number) is left(,|) return {v}", {"value": "{v}"}),
    Form("empty", "Return {v} if (nothing|no number) is left", {"value": "{v}"}),
)
FORMS = (*SCOPES, *FILTERS, *CHANGES, *RETURNS, *EMPTY)


@dataclass(frozen=True)
class Specification:
    """The sentences of a specification, and the function that they describe."""

    clauses: tuple[Clause, ...]

    def all(self, part: Role) -> list[Clause]:
        """The sentences that say one part of it."""
        return [clause for clause in self.clauses if clause.part == part]

    @property
    def lines(self) -> tuple[Line, ...]:
        """The reference code."""
        return tuple(self._lines())

    @property
    def code(self) -> str:
        """The reference code as one text."""
        return "\n".join(line.text for line in self.lines)

    @property
    def numbers(self) -> list[int]:
        """The numbers that the specification names."""
        return [int(number) for clause in self.clauses for number in re.findall(r"-?\d+", clause.phrase)]

    @property
    def counts(self) -> list[int]:
        """How many numbers are skipped or looked at."""
        return [int(number) for scope in self.all("scope") for number in re.findall(r"\d+", scope.phrase)]

    def _lines(self) -> Iterator[Line]:
        (result,) = self.all("return")
        empty = next(iter(self.all("empty")), None)
        counter = empty if result.code["nothing"] == "n == 0" else None
        yield Line("def f(xs):", HEADER)
        yield Line(f"    out = {result.code['start']}", result.phrase)
        if counter:
            yield Line("    n = 0", counter.phrase)
        yield from self._loop(result)
        if counter:
            yield Line("        n += 1", counter.phrase)
        if empty:
            yield Line(f"    if {result.code['nothing']}:", empty.phrase)
            yield Line(f"        return {empty.code['value']}", empty.phrase)
        yield Line(f"    return {result.code['result']}", result.phrase)

    def _loop(self, result: Clause) -> Iterator[Line]:
        over, phrase = next(((c.code["over"], c.phrase) for c in self.all("scope")), ("xs", result.phrase))
        yield Line(f"    for x in {over}:", phrase)
        for clause, place in [*((step, "body") for step in self.all("step")), (result, "update")]:
            yield from (Line(f"        {line}", clause.phrase) for line in clause.code[place].split("\n"))

    def run(self, inputs: Sequence[Sequence[int]]) -> list[Any]:
        """What the reference code returns for each input."""
        names: dict[str, Any] = {}
        exec(self.code, names)  # noqa: S102 - our own lines: of the text they have nothing but its whole numbers
        return [names["f"](list(xs)) for xs in inputs]

    def simpler(self) -> Iterator["Specification"]:
        """The specification without one thing that it says, for each thing that can be left out."""
        for at, clause in enumerate(self.clauses):
            before, after = self.clauses[:at], self.clauses[at + 1 :]
            if clause.part != "return" and not (clause.part == "empty" and self._needs_empty()):
                yield Specification((*before, *after))
            elif clause.part == "return" and clause.code["result"] != "out":
                yield Specification((*before, replace(clause, code={**clause.code, "result": "out"}), *after))

    def _needs_empty(self) -> bool:
        return self.all("return")[0].code["start"] == "None"

    def check(self) -> None:
        """Raise InputError where the sentences do not go together."""
        parts = [clause.part for clause in self.clauses]
        if parts.count("return") != 1:
            raise InputError('Say once what to return, such as "Return the sum plus 2".')
        if twice := [*self.all("scope")[1:], *self.all("empty")[1:]]:
            raise InputError(f'"{twice[0].phrase}" says a second time what is said already: leave one of them out.')
        if "scope" in parts and "step" in parts and parts.index("scope") > parts.index("step"):
            raise InputError(f'Put "{self.all("scope")[0].phrase}" before what is done to each number.')
        if self._needs_empty() and "empty" not in parts:
            raise InputError(f'"{self.all("return")[0].phrase}" needs a number: add "If nothing is left return 0".')


def read(text: str) -> Specification | None:
    """Read a specification; None where the text is none, InputError where it is one with something unknown in it."""
    if not _MENTION.search(text):
        return None
    sentences = [" ".join(part.split()).strip(" :") for part in _SENTENCE_END.split(text)]
    said = [s for s in sentences if s and not _HEADER.fullmatch(s)]
    if len(said) > LONGEST:
        raise InputError(f"The specification has {len(said)} sentences; shorten it to {LONGEST}.")
    specification = Specification(tuple(map(_read_sentence, said)))
    specification.check()
    return specification


def _read_sentence(sentence: str) -> Clause:
    plain = _CONNECTIVE.sub("", sentence, count=1) if _CONNECTIVE.match(sentence) else sentence
    for form in FORMS:
        if clause := form.read(plain):
            return clause
    raise InputError(f'"{sentence[:80]}" is no sentence that the family "functions" knows. {_known()}')


def _known() -> str:
    """How to say all that can be said."""
    steps = (*SCOPES, *FILTERS, *CHANGES, EMPTY[0])
    ends = (f'"…{Form("return", end, {}).example}"' for end, _ in (*_NUMBER_ENDS[1:], *_LIST_ENDS[1:]))
    results = (f'"{form.example}"' for form in RETURNS if form.code["result"] == "out")
    return (
        f'Say "{HEADER}", then any of: ' + ", ".join(f'"{form.example}"' for form in steps) + "; and one of: "
        f"{', '.join(results)}, which may end in: {', '.join(ends)}. Each in a sentence of its own."
    )


def draw(rng: random.Random, size: int) -> str:
    """A specification of `size` sentences and ends beyond the header and the bare "Return …"."""
    parts = rng.sample(["scope", "filter", "filter", "change", "end", "empty"], size)
    plain = "end" not in parts
    result = rng.choice([form for form in RETURNS if (form.code["result"] == "out") == plain])
    if result.code["start"] == "None" and "empty" not in parts:
        return draw(rng, size)
    tables = {"scope": SCOPES, "filter": FILTERS, "change": CHANGES}
    steps = [rng.choice(tables[part]).draw(rng) for part in parts if part in tables and part != "scope"]
    scope = [rng.choice(SCOPES).draw(rng)] if "scope" in parts else []
    last = [result.draw(rng), *([rng.choice(EMPTY).draw(rng)] if "empty" in parts else [])]
    rng.shuffle(last)
    return " ".join(f"{sentence}." for sentence in [HEADER, *scope, *steps, *last])
