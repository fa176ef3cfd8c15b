"""Find names that a file gets from its host, which linters report as undefined."""

import re
from pathlib import PurePath

# Strings and comments: text in them defines no names.
_STRING_OR_COMMENT = re.compile(
    r"""
    \#[^\n\r]*
  | ('''|\"\"\") (?: \\. | (?!\1). )* (?: \1 | \Z )
  | '(?: \\. | [^'\\\n] )*' | "(?: \\. | [^"\\\n] )*"
    """,
    re.VERBOSE | re.DOTALL,
)
# Code that defines names at run time, so tools cannot know which names exist.
_DYNAMIC_NAMES = re.compile(r"\b(?:globals|locals|exec|vars)\(|\bimport\s*\*")
_BUILTIN = re.compile(
    r"""
    \b(?:builtins|__builtins__) (?:\.__dict__)? \s* (?: \.\s*(\w+) | \[\s*["'](\w+)["']\s*\] ) \s*=(?!=)
  | \bsetattr\(\s* (?:builtins|__builtins__) \s*,\s* ["'](\w+)["']
    """,
    re.VERBOSE,
)
_HOSTS: tuple[tuple[re.Pattern[str], tuple[str, ...]], ...] = (
    (
        re.compile(r"\A(?:\#!.*\n)?\# Databricks notebook source"),
        ("spark", "sc", "sqlContext", "dbutils", "display", "displayHTML", "table", "sql", "udf"),
    ),
    (
        re.compile(r"^\#\s?(?:%%|In ?\[[\d ]*\])|\bget_ipython\(", re.MULTILINE),
        ("get_ipython", "display", "In", "Out", "_", "__", "___"),
    ),
    (
        re.compile(r"\bgettext\b(?s:.{0,2000}?)\binstall\("),
        ("_", "gettext", "ngettext", "pgettext", "npgettext"),
    ),
)
NOTEBOOK_NAMES = ("get_ipython", "display", "In", "Out", "_", "__", "___", "exit", "quit")
"""Names that IPython defines in notebooks."""
_FILE_NAMES = (
    (re.compile(r"(?:jupyter|ipython)\w*_config\.py"), ("get_config",)),
    (re.compile(r"conf\.py"), ("tags",)),  # Sphinx
)


def find_host_names(code: str, file_name: str) -> list[str]:
    """Return the names that the host of a file defines, such as `display` in a notebook.

    They are recognized by the file's name, by the header of exported notebooks, and by assignments to builtins.
    """
    names: list[str] = []
    for match in _BUILTIN.finditer(code):
        names += [name for name in match.groups() if name]
    for header, host_names in _HOSTS:
        if header.search(code):
            names += host_names
    for pattern, host_names in _FILE_NAMES:
        if pattern.fullmatch(PurePath(file_name).name):
            names += host_names
    if file_name.endswith(".ipynb"):
        names += NOTEBOOK_NAMES
    return sorted(set(names))


def defines_names_at_run_time(code: str) -> bool:
    """Detect code that may define any name, such as `from x import *`."""
    if not _DYNAMIC_NAMES.search(code):
        return False
    return _DYNAMIC_NAMES.search(_STRING_OR_COMMENT.sub(" ", code)) is not None
