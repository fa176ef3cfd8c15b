"""Reviews documents: what is asked of each, by which checkers, all within one budget."""

import asyncio
import sys
from collections.abc import Callable, Sequence
from typing import cast

from pygments.lexers import find_lexer_class_for_filename
from rich.console import Console
from rich.text import Text

from selfcritic.agent.checkers.python_source import find_python
from selfcritic.agent.context import Context
from selfcritic.agent.errors import InputError, SelfcriticError
from selfcritic.agent.protocols import Checker
from selfcritic.agent.sampling.budget import BudgetTracker, parent_budget
from selfcritic.agent.schemas import Budget, Round
from selfcritic.agent.state import ReviewInput, ReviewOutput
from selfcritic.graphs.cli.review.documents import Document
from selfcritic.graphs.cli.review.result import Review
from selfcritic.graphs.review import create_review

NO_MODEL = "none"
"""The model's name that leaves a review to the checkers."""

_AT_ONCE = 4
_PLAIN = {"", "Text only", "Markdown", "reStructuredText", "TeX"}
_PYTHON = ("syntax", "lint", "typecheck")
_CHECKERS = {"Python": ["syntax", "lint"]} | {language: ["arithmetic"] for language in _PLAIN}
"""By kind of file, the checkers that look at it where none are named."""


class Reviewer:
    """Reviews documents, a few at once, within one budget."""

    def __init__(
        self,
        options: Context,
        question: str | None,
        checkers: Sequence[str] | None,
        tests: Checker | None,
        console: Console,
    ) -> None:
        # What no model reads may be of any length.
        self._options = options if options.has_critic else options.model_copy(update={"max_input_chars": sys.maxsize})
        self._question = question
        self._checkers = checkers
        self._tests = tests
        self._console = console
        self._graph = create_review().compile(name="review")

    def accepted(self, documents: Sequence[Document]) -> list[Document]:
        """The documents that somebody looks at; the others are told.

        Raises InputError for what cannot be reviewed as it is wanted, before anything is paid for.
        """
        most = self._options.max_input_chars
        for one in documents:
            if self._options.has_critic and (size := len(one.text) + len(one.diff)) > most:
                raise InputError(
                    f"{one.name} has {size:,} characters; a model is handed {most:,} at most. Review it in parts, "
                    "or let checkers alone look at it: --model none."
                )
        if self._tests and documents and not any(map(is_testable, documents)):
            raise InputError("There are tests, but no Python file that they could be run on.")
        for one in documents:
            if not self._is_looked_at(one):
                self.tell(f"{one.name}: no checker looks at such a file; name one with --checker, or a model.")
            elif self._is_passed_over(one):
                self.tell(f"{one.name}: its few lines could be of many languages, so Python's checkers pass it over.")
        return list(filter(self._is_looked_at, documents))

    def review(self, documents: Sequence[Document], show: Callable[[Review], None]) -> None:
        """Review the documents, some at once; each review is shown in its turn. A person may interrupt it."""
        shown = 0

        async def each() -> None:
            nonlocal shown
            parent_budget.set(BudgetTracker(self._options.budget))  # one budget over all of them
            room = asyncio.Semaphore(_AT_ONCE)
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._one(document, room)) for document in documents]
                for task, document in zip(tasks, documents, strict=True):
                    with self._console.status(f"reviewing {document.name} …"):
                        review = await task
                    show(review)
                    shown += 1

        try:
            asyncio.run(each())
        except KeyboardInterrupt:
            self.tell(f"Interrupted: {shown} of {len(documents)} reviewed.")

    def tell(self, message: str) -> None:
        """Say something that is no result."""
        self._console.print(Text(message, style="dim"), soft_wrap=True)

    def _is_looked_at(self, document: Document) -> bool:
        return self._options.has_critic or bool(self._checkers_of(document))

    def _is_passed_over(self, document: Document) -> bool:
        """Whether Python's checkers are asked of a Python file that has code, none of it plainly Python's."""
        lines = (line.strip() for line in document.text.splitlines())
        has_code = any(line and not line.startswith("#") for line in lines)
        is_asked = any(name in _PYTHON for name in self._checkers_of(document))
        return _language(document.name) == "Python" and is_asked and has_code and find_python(document.text) is None

    def _checkers_of(self, document: Document) -> list[str | Checker]:
        named = checkers_for(document) if self._checkers is None else self._checkers
        return [*named, *([self._tests] if self._tests and is_testable(document) else [])]

    async def _one(self, document: Document, room: asyncio.Semaphore) -> Review:
        question = self._question or default_question(document)
        # The budget is that of all documents together, and is kept by the meter above.
        own = {
            "checkers": self._checkers_of(document),
            "task_type": "code" if is_code(document) else "question",
            "budget": Budget(),
        }
        asked: ReviewInput = {"question": question, "answer": document.text, "context": document.diff}
        async with room:
            try:
                context = self._options.model_copy(update=own)
                output = cast(ReviewOutput, await self._graph.ainvoke(asked, context=context))
            except SelfcriticError as error:
                output = ReviewOutput(rounds=[Round(answer=document.text)], error=str(error))
        return Review(document, question, output)


def default_question(document: Document) -> str:
    """What is asked of a document where the person says nothing."""
    language = _language(document.name)
    what = f"{document.name} ({language})" if language else document.name
    if document.diff:
        return f"Review this change to {what}. The context is its diff; quote only what it adds."
    if is_code(document):
        return f"Review this code, {what}. It must do what its names, comments and docstrings say."
    return f"Review this text, {what}. What it says must be true, and follow from what it says before."


def is_code(document: Document) -> bool:
    """Whether a document is code, by its name."""
    return _language(document.name) not in _PLAIN


def checkers_for(document: Document) -> list[str]:
    """The checkers where none are named: by the kind of file, and none for a piece of a file, which misleads them."""
    return [] if document.numbers is not None else _CHECKERS.get(_language(document.name), [])


def is_testable(document: Document) -> bool:
    """Whether Python tests may be meant for a document: it is whole, and by its name nothing but Python."""
    return document.numbers is None and _language(document.name) in ("Python", "")


def _language(name: str) -> str:
    lexer = find_lexer_class_for_filename(name)
    return lexer.name if lexer is not None else ""
