"""A specification in controlled English, and the Python function that it describes.

- "Write a Python function f(xs)" starts a specification.
- At most one sentence limits the numbers to process. It comes before the steps.
- Any number of steps follow. They are applied to each number in order.
- One sentence, in any position, names the value to return.
- One sentence may name the value to return if no number is left. It is required for results such as "the largest one".
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from selfcritic.agent.errors import InputError
from selfcritic.agent.tasks.functions.forms import FORMS, HEADER, Clause, ClauseKind, describe_forms

MAX_SENTENCES = 12
"""The number of sentences after the header."""

_MENTION = re.compile(r"function\s+f\s*\(\s*xs\s*\)", re.IGNORECASE)
_HEADER = re.compile(
    r"(?:please )?(?:write|define|give) (?:a|the) (?:short )?(?:python )?function f ?\( ?xs ?\)(?: in python)?",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.;\n]+")
_CONNECTIVE = re.compile(r"(?:and|first|next|then|finally)\b,? ", re.IGNORECASE)


@dataclass(frozen=True)
class ReferenceLine:
    """A line of code, and the sentence that requires it."""

    text: str
    phrase: str


@dataclass(frozen=True)
class Specification:
    """The parsed sentences of a specification."""

    clauses: tuple[Clause, ...]

    @property
    def lines(self) -> tuple[ReferenceLine, ...]:
        """The reference code, line by line."""
        return tuple(self._reference_lines())

    @property
    def code(self) -> str:
        """The reference code."""
        return "\n".join(line.text for line in self.lines)

    @property
    def numbers(self) -> list[int]:
        """All numbers in the specification."""
        return _find_numbers(self.clauses, r"-?\d+")

    @property
    def counts(self) -> list[int]:
        """How many elements its scope skips or uses."""
        return _find_numbers(self._clauses_of("scope"), r"\d+")

    def run(self, inputs: Sequence[Sequence[int]]) -> list[Any]:
        """Return the result of the reference code for each input."""
        namespace: dict[str, Any] = {}
        exec(self.code, namespace)  # noqa: S102 - generated code: only integers come from the text
        function = namespace["f"]
        return [function(list(xs)) for xs in inputs]

    def simplifications(self) -> Iterator["Specification"]:
        """Yield the specification without each part that can be omitted."""
        for index, clause in enumerate(self.clauses):
            before = self.clauses[:index]
            after = self.clauses[index + 1 :]
            if clause.kind == "return":
                if clause.code["result"] != "out":
                    bare = replace(clause, code={**clause.code, "result": "out"})
                    yield Specification((*before, bare, *after))
            elif clause.kind != "empty" or not self._requires_empty_clause():
                yield Specification((*before, *after))

    def check(self) -> None:
        """Check that the sentences are consistent.

        Raises:
            InputError: A sentence is missing, repeated or in the wrong place.
        """
        kinds = [clause.kind for clause in self.clauses]
        if kinds.count("return") != 1:
            raise InputError(
                'Add exactly one sentence with the value to return, such as "Return the sum plus 2".'
            )
        repeated = [*self._clauses_of("scope")[1:], *self._clauses_of("empty")[1:]]
        if repeated:
            raise InputError(
                f'"{repeated[0].phrase}" repeats or contradicts an earlier sentence: remove one of them.'
            )
        if "scope" in kinds and "step" in kinds and kinds.index("scope") > kinds.index("step"):
            scope = self._clauses_of("scope")[0]
            raise InputError(
                f'Put "{scope.phrase}" before the sentences that change or filter numbers.'
            )
        if self._requires_empty_clause() and "empty" not in kinds:
            phrase = self._return_clause().phrase
            raise InputError(
                f'"{phrase}" is undefined without numbers: add "If nothing is left return 0".'
            )

    def _clauses_of(self, kind: ClauseKind) -> list[Clause]:
        return [clause for clause in self.clauses if clause.kind == kind]

    def _find_clause(self, kind: ClauseKind) -> Clause | None:
        return next(iter(self._clauses_of(kind)), None)

    def _return_clause(self) -> Clause:
        (clause,) = self._clauses_of("return")
        return clause

    def _requires_empty_clause(self) -> bool:
        return self._return_clause().code["initial"] == "None"

    def _reference_lines(self) -> Iterator[ReferenceLine]:
        result = self._return_clause()
        empty = self._find_clause("empty")
        empty_test = result.code["empty_test"]
        needs_counter = empty is not None and empty_test == "n == 0"

        yield ReferenceLine("def f(xs):", HEADER)
        yield ReferenceLine(f"    out = {result.code['initial']}", result.phrase)
        if empty and needs_counter:
            yield ReferenceLine("    n = 0", empty.phrase)
        yield from self._loop_lines(result)
        if empty and needs_counter:
            yield ReferenceLine("        n += 1", empty.phrase)
        if empty:
            yield ReferenceLine(f"    if {empty_test}:", empty.phrase)
            yield ReferenceLine(f"        return {empty.code['value']}", empty.phrase)
        yield ReferenceLine(f"    return {result.code['result']}", result.phrase)

    def _loop_lines(self, result: Clause) -> Iterator[ReferenceLine]:
        scope = self._find_clause("scope")
        if scope:
            yield ReferenceLine(f"    for x in {scope.code['iterable']}:", scope.phrase)
        else:
            yield ReferenceLine("    for x in xs:", result.phrase)
        for step in self._clauses_of("step"):
            yield from _body_lines(step.code["body"], step.phrase)
        yield from _body_lines(result.code["update"], result.phrase)


def _body_lines(code: str, phrase: str) -> Iterator[ReferenceLine]:
    for line in code.split("\n"):
        yield ReferenceLine(f"        {line}", phrase)


def _find_numbers(clauses: Iterable[Clause], pattern: str) -> list[int]:
    numbers = []
    for clause in clauses:
        numbers += [int(number) for number in re.findall(pattern, clause.phrase)]
    return numbers


def parse_specification(text: str) -> Specification | None:
    """Parse a specification, or return None for another text.

    A specification mentions "function f(xs)".

    Raises:
        InputError: A sentence is unknown, or the sentences are inconsistent.
    """
    if not _MENTION.search(text):
        return None
    sentences = []
    for part in _SENTENCE_END.split(text):
        sentence = " ".join(part.split()).strip(" :")
        if sentence and not _HEADER.fullmatch(sentence):
            sentences.append(sentence)
    if len(sentences) > MAX_SENTENCES:
        raise InputError(
            f"The specification has {len(sentences)} sentences; shorten it to {MAX_SENTENCES}."
        )
    clauses = tuple(_parse_sentence(sentence) for sentence in sentences)
    specification = Specification(clauses)
    specification.check()
    return specification


def _parse_sentence(sentence: str) -> Clause:
    connective = _CONNECTIVE.match(sentence)
    statement = sentence[connective.end() :] if connective else sentence
    for form in FORMS:
        clause = form.parse(statement)
        if clause is not None:
            return clause
    raise InputError(
        f'"{sentence[:80]}" is not a sentence of the functions task. {describe_forms()}'
    )
