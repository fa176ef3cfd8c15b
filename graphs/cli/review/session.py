"""Review documents concurrently within one budget."""

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
"""Value of --model for a review by checkers only."""

_CONCURRENCY = 4
_TEXT_LANGUAGES = {"", "Text only", "Markdown", "reStructuredText", "TeX"}
_PYTHON_CHECKERS = ("syntax", "lint", "typecheck")
_PYTHON_DEFAULTS = ["syntax", "lint"]
_TEXT_DEFAULTS = ["arithmetic"]


class ReviewSession:
    """Reviews the documents of one command within one budget.

    `checkers=None` selects the checkers by file type. `tests` runs on Python files only.
    """

    def __init__(
        self,
        context: Context,
        question: str | None,
        checkers: Sequence[str] | None,
        tests: Checker | None,
        console: Console,
    ) -> None:
        if not context.has_critic:  # the size limit protects models only
            context = context.model_copy(update={"max_input_chars": sys.maxsize})
        self._context = context
        self._question = question
        self._checkers = checkers
        self._tests = tests
        self._console = console
        self._graph = create_review().compile(name="review")

    def filter_documents(self, documents: Sequence[Document]) -> list[Document]:
        """Keep the documents that a checker or a model reviews; report the rest.

        Raises:
            InputError: A document is too long for a model, or no document can be tested.
        """
        for document in documents:
            self._check_size(document)
        if self._tests and documents and not any(is_testable(document) for document in documents):
            raise InputError("--tests requires a Python file to run on.")
        reviewed: list[Document] = []
        for document in documents:
            if not self._context.has_critic and not self._get_checkers(document):
                self.report(
                    f"{document.name}: no checker supports this file type; pass --checker or --model."
                )
                continue
            if self._is_language_unclear(document):
                self.report(
                    f"{document.name}: too short to detect the language; skipped by the Python checkers."
                )
            reviewed.append(document)
        return reviewed

    def review(
        self,
        documents: Sequence[Document],
        on_review: Callable[[Review], None],
    ) -> None:
        """Pass each review to `on_review`, in order; stop on Ctrl-C."""
        reviewed: list[Review] = []

        def collect(review: Review) -> None:
            on_review(review)
            reviewed.append(review)

        try:
            asyncio.run(self._review_all(documents, collect))
        except KeyboardInterrupt:
            self.report(f"Interrupted: {len(reviewed)} of {len(documents)} reviewed.")

    def report(self, message: str) -> None:
        """Print a message to stderr."""
        self._console.print(Text(message, style="dim"), soft_wrap=True)

    async def _review_all(
        self,
        documents: Sequence[Document],
        on_review: Callable[[Review], None],
    ) -> None:
        parent_budget.set(BudgetTracker(self._context.budget))  # one budget for all documents
        semaphore = asyncio.Semaphore(_CONCURRENCY)
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._review_one(document, semaphore)) for document in documents
            ]
            for task, document in zip(tasks, documents, strict=True):
                with self._console.status(f"reviewing {document.name} …"):
                    review = await task
                on_review(review)

    async def _review_one(self, document: Document, semaphore: asyncio.Semaphore) -> Review:
        question = self._question or default_question(document)
        options = {
            "checkers": self._get_checkers(document),
            "task_type": "code" if is_code(document) else "question",
            "budget": Budget(),  # the parent budget applies
        }
        graph_input: ReviewInput = {
            "question": question,
            "answer": document.text,
            "context": document.diff,
        }
        async with semaphore:
            try:
                context = self._context.model_copy(update=options)
                result = await self._graph.ainvoke(graph_input, context=context)
                output = cast(ReviewOutput, result)
            except SelfcriticError as error:
                draft = Round(answer=document.text)
                output = ReviewOutput(rounds=[draft], error=str(error))
        return Review(document, question, output)

    def _check_size(self, document: Document) -> None:
        size = len(document.text) + len(document.diff)
        limit = self._context.max_input_chars
        if self._context.has_critic and size > limit:
            raise InputError(
                f"{document.name} has {size:,} characters; models accept at most {limit:,}. "
                "Review it in parts, or with checkers only: --model none."
            )

    def _get_checkers(self, document: Document) -> list[str | Checker]:
        checkers: list[str | Checker] = []
        if self._checkers is None:
            checkers.extend(default_checkers(document))
        else:
            checkers.extend(self._checkers)
        if self._tests and is_testable(document):
            checkers.append(self._tests)
        return checkers

    def _is_language_unclear(self, document: Document) -> bool:
        """Check for Python files whose code `find_python` does not recognize."""
        if _detect_language(document.name) != "Python":
            return False
        if not any(checker in _PYTHON_CHECKERS for checker in self._get_checkers(document)):
            return False
        for line in document.text.splitlines():
            is_code_line = line.strip() and not line.strip().startswith("#")
            if is_code_line:
                return find_python(document.text) is None
        return False


def default_question(document: Document) -> str:
    """Build the default question from the file type."""
    language = _detect_language(document.name)
    title = document.name
    if language:
        title += f" ({language})"
    if document.diff:
        return f"Review this change to {title}. The context is its diff; quote only what it adds."
    if is_code(document):
        return f"Review this code, {title}. It must do what its names, comments and docstrings say."
    return f"Review this text, {title}. What it says must be true, and follow from what it says before."


def is_code(document: Document) -> bool:
    """Detect source code by file name."""
    return _detect_language(document.name) not in _TEXT_LANGUAGES


def default_checkers(document: Document) -> list[str]:
    """Select checkers by file type; partial files get none."""
    if document.line_numbers is not None:
        return []
    language = _detect_language(document.name)
    if language == "Python":
        return _PYTHON_DEFAULTS
    if language in _TEXT_LANGUAGES:
        return _TEXT_DEFAULTS
    return []


def is_testable(document: Document) -> bool:
    """Accept whole files with a Python or unknown extension."""
    if document.line_numbers is not None:
        return False
    return _detect_language(document.name) in ("Python", "")


def _detect_language(name: str) -> str:
    lexer = find_lexer_class_for_filename(name)
    return lexer.name if lexer is not None else ""
