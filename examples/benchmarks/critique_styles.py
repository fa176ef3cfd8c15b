"""Measure how many critiques in the styles of current models are read correctly.

    python -m examples.benchmarks.critique_styles

The critiques in `tests/data/critique_styles.jsonl` were written by hand, so their share of layouts is not a frequency
among real replies. A critique is complete if exactly its comments are read, each with its own quote, the start of its
text, and its severity. "strict" reads only the form that the prompt asks for; "all" also reads other layouts.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Annotated

import typer
from pydantic import BaseModel
from rich.console import Console
from rich.table import Table

from selfcritic.agent.critic.folding import fold_text
from selfcritic.agent.critic.format import parse
from selfcritic.agent.critic.grounding import ground
from selfcritic.agent.critic.location import locate
from selfcritic.agent.schemas import Comment, Severity

DATA = Path(__file__).parents[2] / "tests" / "data" / "critique_styles.jsonl"
EXAMPLES = (
    Comment(
        quote="words of the answer",
        text="What is wrong with them, and what would be right.",
        severity="high",
    ),
)
"""The example of the prompt, which some models repeat."""


class ExpectedComment(BaseModel):
    """A comment that a reader finds."""

    quote: str
    text: str
    """Start of the comment's text, without emphasis."""
    severity: Severity | None


class StyledCritique(BaseModel):
    """A critique with its answer and expected comments."""

    id: str
    style: str
    """The model whose style it imitates."""
    language: str
    kind: str
    split: str
    """`dev` or `test`; the parser was not changed for a critique of `test` before the first measurement."""
    is_truncated: bool
    answer: str
    critique: str
    expected: list[ExpectedComment]


class Result(BaseModel):
    """What a parser made of one critique."""

    critique: StyledCritique
    comments: list[Comment]

    @property
    def is_complete(self) -> bool:
        """Whether exactly the expected comments were read."""
        if len(self.comments) != len(self.critique.expected):
            return False
        return all(_find(expected, self.comments) for expected in self.critique.expected)

    @property
    def num_wrong_pairings(self) -> int:
        """Number of quotes whose text has the text of another comment."""
        count = 0
        for comment in self.comments:
            own = [e for e in self.critique.expected if _same_quote(e, comment)]
            others = [e for e in self.critique.expected if not _same_quote(e, comment)]
            text = _plain(comment.text)
            texts = {_plain(expected.text) for expected in own}
            other_texts = {_plain(expected.text) for expected in others} - texts
            if any(other in text for other in other_texts):
                count += 1
        return count


Parser = Callable[[StyledCritique], list[Comment]]


def read_all(critique: StyledCritique) -> list[Comment]:
    """Read a critique in any layout."""
    grounded = ground(
        critique.critique,
        critique.answer,
        examples=EXAMPLES,
        is_truncated=critique.is_truncated,
    )
    return grounded.comments


def read_strict(critique: StyledCritique) -> list[Comment]:
    """Read only the layout that the prompt asks for."""
    comments = parse(critique.critique).comments
    return [comment for comment in comments if locate(comment.quote, critique.answer)]


def load_critiques() -> list[StyledCritique]:
    """Load the data set."""
    lines = DATA.read_text("utf-8").splitlines()
    return [StyledCritique.model_validate_json(line) for line in lines]


def evaluate(parser: Parser, critiques: Iterable[StyledCritique]) -> list[Result]:
    """Parse critiques."""
    return [Result(critique=critique, comments=parser(critique)) for critique in critiques]


def parse_rate(results: Sequence[Result]) -> float:
    """Return the share of complete critiques."""
    return sum(result.is_complete for result in results) / len(results)


def _find(expected: ExpectedComment, comments: Sequence[Comment]) -> Comment | None:
    for comment in comments:
        has_severity = comment.severity == expected.severity
        if has_severity and _same_quote(expected, comment) and _same_text(expected, comment):
            return comment
    return None


def _same_quote(expected: ExpectedComment, comment: Comment) -> bool:
    return _plain(comment.quote) == _plain(expected.quote)


def _same_text(expected: ExpectedComment, comment: Comment) -> bool:
    return _plain(comment.text).startswith(_plain(expected.text))


def _plain(text: str) -> str:
    without_marks = text.translate(str.maketrans("", "", "*_`"))
    return fold_text(without_marks).strip(" .:\"'")


def main(
    failures: Annotated[bool, typer.Option(help="Print critiques that are not complete.")] = False,
    split: Annotated[str, typer.Option(help="Use one split: dev or test.")] = "",
) -> None:
    """Print the share of complete critiques by style."""
    critiques = [c for c in load_critiques() if split in ("", c.split)]
    strict = evaluate(read_strict, critiques)
    results = evaluate(read_all, critiques)
    table = Table("style", "critiques", "strict", "all", "wrong pairings")
    by_style: defaultdict[str, list[int]] = defaultdict(list)
    for index, critique in enumerate(critiques):
        for name in (
            critique.style,
            f"language {critique.language}",
            f"split {critique.split}",
            "total",
        ):
            by_style[name].append(index)
    for name, indices in sorted(
        by_style.items(), key=lambda item: (" " in item[0], item[0] == "total", item[0])
    ):
        before = [strict[index] for index in indices]
        after = [results[index] for index in indices]
        wrong = sum(result.num_wrong_pairings for result in after)
        table.add_row(
            name,
            str(len(indices)),
            f"{parse_rate(before):.0%}",
            f"{parse_rate(after):.0%}",
            str(wrong),
        )
    console = Console(width=100)
    console.print(table)
    if failures:
        for result in results:
            if not result.is_complete:
                _print_failure(result)


def _print_failure(result: Result) -> None:
    print(f"\n=== {result.critique.id}\n{result.critique.critique}\n--- read:")
    for comment in result.comments:
        print(json.dumps([comment.severity, comment.quote, comment.text], ensure_ascii=False))


if __name__ == "__main__":
    typer.run(main)
