"""Review documents concurrently within one budget."""

import asyncio
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

from rich.console import Console
from rich.text import Text

from selfcritic.agent.checkers.findings import MAX_FINDINGS
from selfcritic.agent.checkers.python_files import check_file
from selfcritic.agent.checkers.registry import get_checkers, run_checkers
from selfcritic.agent.context import Context
from selfcritic.agent.errors import InputError, SelfcriticError
from selfcritic.agent.protocols import Checker
from selfcritic.agent.sampling.budget import BudgetTracker, parent_budget
from selfcritic.agent.schemas import Budget, Round
from selfcritic.agent.state import ReviewInput, ReviewOutput
from selfcritic.graphs.cli.review.documents import Document, Skipped
from selfcritic.graphs.cli.review.earlier_findings import FindingKey, count_findings
from selfcritic.graphs.cli.review.inputs import Inputs
from selfcritic.graphs.cli.review.languages import (
    NOTEBOOK,
    PYTHON,
    PYTHON_CHECKERS,
    applies,
    default_checkers,
    default_question,
    is_code,
    is_testable,
    language_of,
)
from selfcritic.graphs.cli.review.notebooks import lint_notebook
from selfcritic.graphs.cli.review.result import Review
from selfcritic.graphs.control_characters import escape_controls
from selfcritic.graphs.review import create_review

NO_MODEL = "none"
"""Value of --model for a review by checkers only."""

_CONCURRENCY = 4
_TESTS = "unit_tests"
_STALE = "differs from the diff in the working tree, so checkers cannot run"


class ReviewSession:
    """Reviews the documents of one command within one budget.

    `checkers=None` selects the checkers by file type. `tests` runs on Python files only. `strict` ignores `noqa`
    comments and the configuration of the user's project.
    """

    def __init__(
        self,
        context: Context,
        question: str | None,
        checkers: Sequence[str] | None,
        tests: Checker | None,
        console: Console,
        *,
        strict: bool = False,
    ) -> None:
        if not context.has_critic:  # the size limit protects models only
            context = context.model_copy(update={"max_input_chars": sys.maxsize})
        self._context = context
        self._question = question
        self._checkers = checkers
        self._tests = tests
        self._console = console
        self._strict = strict
        self._graph = create_review().compile(name="review")

    @property
    def has_critic(self) -> bool:
        """Whether a model reviews the documents."""
        return self._context.has_critic

    @property
    def _has_named_checkers(self) -> bool:
        return self._checkers is not None or self._tests is not None

    def filter_documents(self, inputs: Inputs) -> list[Document]:
        """Keep the documents that a checker or a model reviews; add the others to `skipped`.

        Raises:
            InputError: A named document is too long for a model, or no document can be tested.
        """
        documents = inputs.documents
        testable = [each for each in documents if is_testable(each) or self._is_stale(each)]
        if self._tests and documents and not testable:
            raise InputError("--tests requires a Python file to run on.")
        reviewed: list[Document] = []
        for document in documents:
            skip = self._skip(document)
            size_problem = self._size_problem(document)
            if skip is None and size_problem is not None:
                if document.name not in inputs.from_folders:
                    raise InputError(f"{document.name} {size_problem}")
                skip = Skipped(document.name, size_problem.rstrip("."), "unreadable")
            if skip is not None:
                inputs.skipped.append(skip)
                continue
            reviewed.append(document)
            if self._has_named_checkers and self._is_stale(document):
                reason = (
                    f"{_STALE}; check out the diff's new version, or remove --checker and --tests"
                )
                inputs.skipped.append(Skipped(document.name, reason, "unreadable"))
        return reviewed

    def checker_names(self, document: Document) -> list[str]:
        """Return the names of the checkers that review a document."""
        names = default_checkers(document) if self._checkers is None else self._checkers
        names = [name for name in names if applies(name, document)]
        if self._tests and is_testable(document):
            names.append(_TESTS)
        return names

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
        self._console.print(Text(escape_controls(message), style="dim"), soft_wrap=True)

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
                status = Text(f"reviewing {escape_controls(document.name)} …")
                with self._console.status(status):
                    review = await task
                on_review(review)

    async def _review_one(self, document: Document, semaphore: asyncio.Semaphore) -> Review:
        question = self._question or default_question(document)
        options = {
            "checkers": self._get_checkers(document),
            "task_type": "code" if is_code(document) else "question",
            "budget": Budget(),  # the parent budget applies
        }
        if document.adds_nothing:  # there is nothing that a critic may quote
            options["critic"] = NO_MODEL
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
        review = Review(document, question, output)
        if document.before is None or not review.hidden_sources:
            return review
        return replace(review, earlier=await self._find_earlier(document.before, review))

    async def _find_earlier(self, before: Document, review: Review) -> Counter[FindingKey] | None:
        """Return the findings in a file before its change; None if they are not known.

        Runs the checkers with a hidden finding. They return all findings, so that no old one seems new.
        """
        sources = review.hidden_sources
        names = [name for name in self.checker_names(before) if name != _TESTS]
        if sources.issubset(names):  # else a checker names another source in its findings
            names = [name for name in names if name in sources]
        checkers = get_checkers([self._get_checker(name, before, None) for name in names])
        findings, error = await run_checkers(checkers, review.question, before.text)
        return None if error else count_findings(before, findings)

    def _skip(self, document: Document) -> Skipped | None:
        """Return why neither a checker nor a model reviews a document."""
        if self.checker_names(document):
            return None
        if self._context.has_critic and not document.adds_nothing:
            return None
        if self._is_stale(document):
            reason = f"{_STALE}; check out the diff's new version"
            if not self._context.has_critic:
                reason += ", or pass --model"
            return Skipped(document.name, reason, "unreadable")
        if document.adds_nothing:
            return Skipped(document.name, "has no added lines", "empty")
        reason = "has a file type that no checker supports; pass --checker or --model"
        return Skipped(document.name, reason, "unsupported")

    def _is_stale(self, document: Document) -> bool:
        """Check for a part of a file that checkers would review as a whole."""
        if document.line_numbers is None:
            return False
        if language_of(document) == NOTEBOOK:
            return True
        return bool(self.checker_names(replace(document, line_numbers=None)))

    def _size_problem(self, document: Document) -> str | None:
        size = len(document.text) + len(document.diff)
        limit = self._context.max_input_chars
        if not self._context.has_critic or size <= limit:
            return None
        return (
            f"has {size:,} characters; models accept at most {limit:,}. "
            "Review it in parts, or with checkers only: --model none."
        )

    def _get_checkers(self, document: Document) -> list[str | Checker]:
        checkers: list[str | Checker] = []
        for name in self.checker_names(document):
            checkers.append(self._get_checker(name, document))
        return checkers

    def _get_checker(
        self, name: str, document: Document, max_findings: int | None = MAX_FINDINGS
    ) -> str | Checker:
        """Return a checker; those of Python know the file and its project."""
        if name == _TESTS and self._tests is not None:
            return self._tests
        language = language_of(document)
        is_user_file = document.path is not None
        strict = self._strict or not is_user_file
        if name in PYTHON_CHECKERS and language == NOTEBOOK:
            return lint_notebook(document, strict=strict, max_findings=max_findings)
        if name in PYTHON_CHECKERS and language == PYTHON:
            path = document.path or Path.cwd() / document.name
            return check_file(
                name,
                path,
                strict=strict,
                is_preferred=document.is_quoted_by,
                max_findings=max_findings,
            )
        return name
