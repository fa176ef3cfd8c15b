"""Read the settings of the Python checkers from the project that contains a file.

Only settings that prevent false alarms are read, so that a project cannot enable other rules or run anything:

- ruff: `builtins`, `target-version` (also per file), ignored rules (also per file) and the options of single
  rules in `_RULE_OPTIONS`, from `.ruff.toml`, `ruff.toml` or `pyproject.toml`, with `extend`;
- pyright and basedpyright: rules that are not errors, `pythonVersion` and `pythonPlatform`, from `pyrightconfig.json`
  or `pyproject.toml`;
- `requires-python` from `pyproject.toml`.

Each file is searched for in the folder of the checked file and its parents, up to the Git repository's root.
"""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from selfcritic.agent.errors import CheckerError

_RUFF_FILES = (".ruff.toml", "ruff.toml", "pyproject.toml")
_RULE_OPTIONS = {
    "dummy-variable-rgx",
    "typing-modules",
    "flake8-bugbear",
    "pyflakes",
}
_SUFFIXES = ("", ".py", ".pyi", ".pyw", ".ipynb")
_MAX_EXTENDS = 10
_PYTHON_VERSION = re.compile(r"(?:py|==|>=|~=|>|\^|^)\s*3\.?(\d+)")
_SELECTOR = re.compile(r"ALL|(?:F|E|E9|B|PL|PLE)\d*")
"""Selectors of rules that the checkers use; ruff rejects selectors that it does not know."""
_JSON_COMMENT = re.compile(r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*.*?\*/', re.DOTALL)
_TRAILING_COMMA = re.compile(r'("(?:\\.|[^"\\])*")|,(?=\s*[}\]])')


@dataclass(frozen=True)
class Settings:
    """How the Python checkers treat a file; the default is for a model's draft."""

    file_name: str = "draft.py"
    """Path relative to the ruff configuration."""
    is_whole_file: bool = False
    """Whether the text is Python code, so that no code has to be found in it."""
    honors_comments: bool = False
    """Whether `# noqa`, `# type: ignore` and `# pyright: ignore` have an effect."""
    python_version: int | None = None
    """Minor version of Python 3 that the project declares."""
    builtins: tuple[str, ...] = ()
    """Names that the project declares as builtins."""
    ruff_options: Mapping[str, Any] = field(default_factory=dict)
    """Content of ruff.toml."""
    ruff_ignored: tuple[str, ...] = ()
    """Selectors of ruff's rules that are ignored in all files."""
    pyright_ignored: frozenset[str] = frozenset()
    """Pyright's rules that are not errors in the project."""
    platform: str | None = None
    """Pyright's `pythonPlatform`."""


DRAFT = Settings()


def read_settings(
    path: Path, *, strict: bool = False, python_version: str | None = None
) -> Settings:
    """Return the settings for a user's file, which need not exist.

    Args:
        path: The file.
        strict: Ignore comments and the project's configuration.
        python_version: Version of Python such as "3.14"; overrides the project's.

    Raises:
        CheckerError: A configuration file cannot be read.
    """
    declared = _minor_version(python_version)
    if strict:
        return Settings(
            file_name=_tool_path(path.name), is_whole_file=True, python_version=declared
        )
    folders = list(_project_folders(path))
    ruff_folder, ruff = _find_ruff_options(folders)
    pyright = _find_pyright_options(folders)
    ignored = [*_ignored_rules(ruff), *_ignored_rules(_table(ruff, "lint"))]
    file_name = path.name
    if ruff_folder is not None:
        file_name = path.relative_to(ruff_folder).as_posix()
    file_name = _tool_path(file_name)
    if declared is None:
        declared = _declared_version(ruff, pyright, folders, file_name)
    return Settings(
        file_name=file_name,
        is_whole_file=True,
        honors_comments=True,
        python_version=declared,
        builtins=_builtins(ruff),
        ruff_options=_select_ruff_options(ruff),
        ruff_ignored=tuple(dict.fromkeys(ignored)),
        pyright_ignored=_ignored_pyright_rules(pyright),
        platform=pyright.get("pythonPlatform"),
    )


def _tool_path(path: str) -> str:
    """Return a path that ruff and pyright read as Python, a stub or a notebook."""
    suffix = PurePath(path).suffix
    if suffix.casefold() not in _SUFFIXES:
        return path + ".py"  # ruff skips Markdown and TOML
    return path.removesuffix(suffix) + suffix.casefold()


def _project_folders(path: Path) -> Iterator[Path]:
    """Yield the file's folder and its parents, up to the repository's root."""
    for folder in path.parents:
        yield folder
        if (folder / ".git").exists():
            return


def _find_ruff_options(folders: list[Path]) -> tuple[Path | None, dict[str, Any]]:
    """Return the nearest ruff configuration and its folder."""
    for folder in folders:
        for name in _RUFF_FILES:
            options = _read_ruff_file(folder / name)
            if options is not None:
                return folder, _extend(options, folder)
    return None, {}


def _read_ruff_file(path: Path) -> dict[str, Any] | None:
    content = _read_toml(path)
    if content is None or path.name != "pyproject.toml":
        return content
    ruff = _table(content, "tool").get("ruff")
    return ruff if isinstance(ruff, dict) else None


def _extend(options: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Add the options of the configuration that `extend` names."""
    for _ in range(_MAX_EXTENDS):
        target = options.pop("extend", None)
        if not isinstance(target, str):
            return options
        base_path = (folder / target).expanduser()
        base = _read_ruff_file(base_path)
        if base is None:
            raise CheckerError(
                f"{base_path} does not exist: correct `extend` in {folder}'s ruff configuration."
            )
        options = _merge(base, options)
        folder = base_path.parent
    return options


def _merge(base: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """Merge two tables; options override the base, ignored rules add up."""
    merged = {**base, **options}
    for key, value in base.items():
        if key not in options:
            continue
        if key == "lint" and isinstance(value, dict) and isinstance(options[key], dict):
            merged[key] = _merge(value, options[key])
        elif key in ("extend-ignore", "extend-per-file-ignores"):
            merged[key] = _join(value, options[key])
    return merged


def _join(base: Any, options: Any) -> Any:
    if isinstance(base, dict) and isinstance(options, dict):
        return {**base, **options}
    return [*_selectors(base), *_selectors(options)]


def _ignored_rules(options: Mapping[str, Any]) -> list[str]:
    return [*_selectors(options.get("ignore")), *_selectors(options.get("extend-ignore"))]


def _selectors(value: object) -> list[str]:
    """Return the selectors in a list that are of rules in use."""
    if not isinstance(value, list):
        return []
    return [item for item in value if isinstance(item, str) and _SELECTOR.fullmatch(item)]


def _select_ruff_options(ruff: Mapping[str, Any]) -> dict[str, Any]:
    """Keep the options that prevent false alarms."""
    selected: dict[str, Any] = {}
    if "builtins" in ruff:
        selected["builtins"] = ruff["builtins"]
    lint: dict[str, Any] = {}
    ignores: dict[str, list[str]] = {}
    for options in (ruff, _table(ruff, "lint")):
        lint |= {key: value for key, value in options.items() if key in _RULE_OPTIONS}
        for key in ("per-file-ignores", "extend-per-file-ignores"):
            for pattern, selectors in _table(options, key).items():
                ignores.setdefault(pattern, []).extend(_selectors(selectors))
    if ignores:
        lint["per-file-ignores"] = ignores
    if lint:
        selected["lint"] = lint
    return selected


def _builtins(ruff: Mapping[str, Any]) -> tuple[str, ...]:
    names = ruff.get("builtins")
    if not isinstance(names, list):
        return ()  # ruff reports other types
    return tuple(name for name in names if isinstance(name, str))


def _find_pyright_options(folders: list[Path]) -> dict[str, Any]:
    """Return the nearest pyright configuration."""
    for folder in folders:
        path = folder / "pyrightconfig.json"
        if path.is_file():
            return _read_json(path)
        tools = _table(_read_toml(folder / "pyproject.toml") or {}, "tool")
        for name in ("basedpyright", "pyright"):
            if isinstance(tools.get(name), dict):
                return dict(tools[name])
    return {}


def _ignored_pyright_rules(pyright: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(
        rule
        for rule, level in pyright.items()
        if rule.startswith("report") and level not in (True, "error")
    )


def _declared_version(
    ruff: Mapping[str, Any], pyright: Mapping[str, Any], folders: list[Path], file_name: str
) -> int | None:
    """Return the oldest minor version that the project supports, if it declares one."""
    for pattern, declaration in _table(ruff, "per-file-target-version").items():
        if PurePath(file_name).match(pattern):
            return _minor_version(declaration)
    for declaration in (ruff.get("target-version"), pyright.get("pythonVersion")):
        version = _minor_version(declaration)
        if version is not None:
            return version
    for folder in folders:
        content = _read_toml(folder / "pyproject.toml")
        if content is not None:
            version = _minor_version(_table(content, "project").get("requires-python"))
            if version is not None:
                return version
    return None


def _minor_version(declaration: object) -> int | None:
    """Read "py314", "3.14" or ">=3.14,<4"."""
    if not isinstance(declaration, str):
        return None
    versions = [int(minor) for minor in _PYTHON_VERSION.findall(declaration)]
    return max(versions, default=None)


def _table(options: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = options.get(key)
    return value if isinstance(value, dict) else {}


def _read_toml(path: Path) -> dict[str, Any] | None:
    """Return the content of a file, or None if there is no such file."""
    if not path.is_file():
        return None
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise _unreadable(path, error) from error


def _read_json(path: Path) -> dict[str, Any]:
    """Read JSON with comments and trailing commas."""
    try:
        text = path.read_text("utf-8")
        for pattern in (_JSON_COMMENT, _TRAILING_COMMA):
            text = pattern.sub(_keep_strings, text)
        content = json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise _unreadable(path, error) from error
    return content if isinstance(content, dict) else {}


def _keep_strings(match: re.Match[str]) -> str:
    return match[1] or ""


def _unreadable(path: Path, error: Exception) -> CheckerError:
    return CheckerError(
        f"{path} cannot be read ({error}). Correct it, or ignore the project's configuration with --strict."
    )
