"""Find names that a file gets from its host, which linters report as undefined."""

import re
from collections.abc import Sequence
from pathlib import PurePath

# Strings and comments: text in them defines no names.
_STRING_OR_COMMENT = re.compile(
    r"""
    \#[^\n\r]*
  | ('''|\"\"\") (?: \\. | (?!\1). )*+ (?: \1 | \Z )
  | '(?: \\. | [^'\\\n] )*+ '? | "(?: \\. | [^"\\\n] )*+ "?
    """,
    re.VERBOSE | re.DOTALL,
)
# Code that defines names at run time, so tools cannot know which names exist.
_DYNAMIC_NAMES = re.compile(
    r"\b(?:globals|locals|exec|vars|_convert_)\(|\bimport\s*\*|@(?:\w+\.)?global_enum\b"
    r"|\b_simple_enum\(|\bsys\.modules\[__name__\]"
)
# Strings are replaced by their index.
_BUILTIN = re.compile(
    r"""
    \b(?:builtins|__builtins__) (?:\.__dict__)? \s* (?: \.\s*(\w+) | \[\s*"(\d+)"\s*\] ) \s*=(?!=)
  | \bsetattr\(\s* (?:builtins|__builtins__) \s*,\s* "(\d+)"
    """,
    re.VERBOSE,
)
_IPYTHON_NAMES = ("get_ipython", "display", "In", "Out", "_", "__", "___")
_PYTHON2_NAMES = (
    "unicode",
    "basestring",
    "long",
    "xrange",
    "raw_input",
    "unichr",
    "reload",
    "cmp",
    "file",
)
_Hosts = Sequence[tuple[re.Pattern[str], Sequence[str]]]
_HEADERS: _Hosts = (
    (
        re.compile(r"\A(?:#!.*\n)?# Databricks notebook source"),
        ("spark", "sc", "sqlContext", "dbutils", "display", "displayHTML", "table", "sql", "udf"),
    ),
    (re.compile(r"^#\s?(?:%%|In ?\[[\d ]*\])", re.MULTILINE), _IPYTHON_NAMES),
)
"""Comments at the top of exported notebooks, and the names that their host defines."""
_HOST_CODE: _Hosts = (
    (re.compile(r"\bget_ipython\("), _IPYTHON_NAMES),
    (re.compile(r"\bPY[23]\b|\bversion_info\b|\b(?:import|from)\s+six\b"), _PYTHON2_NAMES),
    (
        re.compile(r"\bgettext\b(?s:.{0,2000}?)\binstall\("),
        ("_", "gettext", "ngettext", "pgettext", "npgettext"),
    ),
)
"""Code that defines names, or that also runs where they are defined."""
_FILE_NAMES = (
    (re.compile(r"(?:jupyter|ipython)\w*_config\.py"), ("get_config",)),
    (re.compile(r"conf\.py"), ("tags",)),  # Sphinx
)


def find_host_names(code: str, file_name: str) -> list[str]:
    """Return the names that the host of a file defines, such as `display` in a notebook.

    They are recognized by the file's name, by the header of exported notebooks, and by assignments to builtins.
    """
    names = _find_assigned_builtins(code)
    for header, host_names in _HEADERS:
        if header.search(code):
            names += host_names
    for pattern, host_names in _HOST_CODE:
        if _is_in_code(pattern, code):
            names += host_names
    for pattern, host_names in _FILE_NAMES:
        if pattern.fullmatch(PurePath(file_name).name):
            names += host_names
    if file_name.endswith(".ipynb"):
        names += _IPYTHON_NAMES
    return sorted(set(names))


def _find_assigned_builtins(code: str) -> list[str]:
    if "builtins" not in code:
        return []
    strings: list[str] = []

    def replace(match: re.Match[str]) -> str:
        if match[0].startswith("#"):
            return " "
        strings.append(match[0].strip("\"'"))
        return f'"{len(strings) - 1}"'

    names: list[str] = []
    for match in _BUILTIN.finditer(_STRING_OR_COMMENT.sub(replace, code)):
        attribute, key, argument = match.groups()
        names.append(attribute or strings[int(key or argument)])
    return [name for name in names if name.isidentifier()]


def defines_names_at_run_time(code: str) -> bool:
    """Detect code that may define any name, such as `from x import *`."""
    return _is_in_code(_DYNAMIC_NAMES, code)


def _is_in_code(pattern: re.Pattern[str], code: str) -> bool:
    """Search outside of strings and comments."""
    if not pattern.search(code):
        return False
    return pattern.search(_STRING_OR_COMMENT.sub(" ", code)) is not None
