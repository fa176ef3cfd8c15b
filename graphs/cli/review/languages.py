"""Detect a document's language, and select its question and checkers."""

import re
from pathlib import Path, PurePath

from pygments.lexers import find_lexer_class_for_filename

from selfcritic.graphs.cli.review.documents import PYTHON_SUFFIXES, Document
from selfcritic.graphs.cli.review.notebooks import is_notebook

PYTHON = "Python"
NOTEBOOK = "Jupyter notebook"
PYTHON_CHECKERS = ("syntax", "lint", "typecheck")
_PYTHON_DEFAULTS = ["syntax", "lint"]
_NOTEBOOK_DEFAULTS = ["lint"]
_TEXT_DEFAULTS = ["arithmetic"]
_TEXT_LANGUAGES = {"", "Text only", "Markdown", "reStructuredText", "TeX"}
_DATA_LANGUAGES = {"CSV", "HTML", "INI", "JSON", "TOML", "XML", "YAML", "Diff", "Gettext Catalog"}
_PYTHON_SHEBANG = re.compile(r"#![^\n]*\bpython[\d.]*\b")
_BUILD_FILES = re.compile(r"(?:BUILD|BUCK|WORKSPACE|MODULE)(?:\.bazel)?|.*\.(?:bzl|star|bazel)")
"""Files of Bazel and Buck, whose names are built in."""
_SCONS_FILES = re.compile(r"SCons(?:truct|cript)")


def detect_language(name: str, text: str = "") -> str:
    """Return the language of a file, by its name or else its first line; "" if unknown.

    Files with Python's syntax but other built-in names, such as those of Bazel, are not Python.
    """
    base_name = PurePath(name).name
    if name.casefold().endswith(PYTHON_SUFFIXES):
        return PYTHON
    if is_notebook(name):
        return NOTEBOOK
    if _BUILD_FILES.fullmatch(base_name):
        return "Starlark"
    if _SCONS_FILES.fullmatch(base_name):
        return "SCons"
    if "." not in base_name and _PYTHON_SHEBANG.match(text):
        return PYTHON
    lexer = find_lexer_class_for_filename(base_name)
    if lexer is None:
        lexer = find_lexer_class_for_filename(base_name.casefold())
    if lexer is None:
        return ""
    if lexer.name == PYTHON:
        return f"Python ({Path(base_name).suffix or base_name})"
    return lexer.name


def language_of(document: Document) -> str:
    """Return the language of a document; "" if unknown."""
    return detect_language(document.name, document.text)


def default_question(document: Document) -> str:
    """Build the default question from the file type."""
    language = language_of(document)
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
    return language_of(document) not in _TEXT_LANGUAGES


def default_checkers(document: Document) -> list[str]:
    """Select checkers by file type; partial files get none."""
    if document.line_numbers is not None:
        return []
    language = language_of(document)
    if language == PYTHON:
        return _PYTHON_DEFAULTS
    if language == NOTEBOOK and document.cells:
        return _NOTEBOOK_DEFAULTS
    if language in _TEXT_LANGUAGES:
        return _TEXT_DEFAULTS
    return []


def applies(checker: str, document: Document) -> bool:
    """Check whether a named checker reads files of this language; none reads a part of a file."""
    if document.line_numbers is not None:
        return False
    if checker not in PYTHON_CHECKERS:
        return True
    language = language_of(document)
    if language == NOTEBOOK:
        return checker == "lint" and bool(document.cells)
    return language in (PYTHON, *_TEXT_LANGUAGES)


def is_testable(document: Document) -> bool:
    """Accept whole files with a Python or unknown extension."""
    if document.line_numbers is not None:
        return False
    return language_of(document) in (PYTHON, "")


def is_walked(name: str, has_model: bool) -> bool:
    """Check whether a file in a folder is reviewed, by its name."""
    language = detect_language(name, _first_line(name))
    if language in (PYTHON, NOTEBOOK):
        return True
    if not language or language in _DATA_LANGUAGES:
        return False
    return has_model or language in _TEXT_LANGUAGES


def _first_line(name: str) -> str:
    if PurePath(name).suffix:
        return ""
    try:
        with Path(name).open("rb") as file:
            return file.readline(200).decode("utf-8", "replace")
    except OSError:
        return ""
