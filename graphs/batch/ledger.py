"""Store the finished rows, usage and options of a batch in SQLite.

A row is identified by its id and content: if the content changes, it is a different row. Every change is committed
before the batch continues, so a killed process loses nothing. Only one process at a time can open the file.
"""

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from langchain_core.language_models import BaseChatModel

from selfcritic.agent.addresses import reject_address
from selfcritic.agent.context import Context
from selfcritic.agent.errors import CheckpointError, InputError
from selfcritic.agent.schemas import Usage
from selfcritic.graphs.batch.dataset import Row
from selfcritic.graphs.checkpoints.sqlite import describe_sqlite_error
from selfcritic.graphs.private_files import create_private

_TABLES = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS done (id TEXT, digest TEXT, result TEXT, PRIMARY KEY (id, digest));
CREATE TEMP TABLE seen (place INTEGER PRIMARY KEY, id TEXT UNIQUE, digest TEXT, extra TEXT);
"""
_FINISH = "INSERT OR IGNORE INTO done VALUES (?, ?, ?)"
_COLUMNS = {"facts": {"name", "value"}, "done": {"id", "digest", "result"}}
"""Columns of a ledger, by table."""


class Ledger:
    """A SQLite file from which a batch resumes."""

    def __init__(self, path: str | Path, options: dict[str, Any], restart: bool = False) -> None:
        """Open or create the file.

        Raises:
            InputError: The file is in use, is not a ledger, or belongs to a batch with other options.
        """
        reject_address(path, "`ledger` (--ledger)")
        self._path = path
        try:
            if Path(path).parent.is_dir():
                create_private(path)
            self._db = sqlite3.connect(path, isolation_level=None, timeout=0)
        except (sqlite3.Error, OSError) as error:
            raise _cannot_open(path, error) from error
        try:
            self._prepare(options, restart)
        except (sqlite3.Error, ValueError) as error:
            self.close()
            raise _cannot_open(path, error) from error
        except (InputError, CheckpointError):
            self.close()
            raise

    def _prepare(self, options: dict[str, Any], restart: bool) -> None:
        """Lock the file, create the tables and check the options."""
        # Two processes would pay for each row twice.
        self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._db.execute("PRAGMA journal_mode = WAL")
        # Commits survive a killed process, but not a power failure.
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute("BEGIN IMMEDIATE")
        self._db.execute("COMMIT")
        self._check_tables()
        self._db.executescript(_TABLES)
        if restart:
            self._db.executescript("BEGIN; DELETE FROM done; DELETE FROM facts; COMMIT")
        self._check_options(options)

    def _check_tables(self) -> None:
        query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        tables = {str(name) for (name,) in self._db.execute(query)}
        for table in sorted(tables):
            columns = {str(row[1]) for row in self._db.execute(f"PRAGMA table_info('{table}')")}
            if table not in _COLUMNS or not _COLUMNS[table] <= columns:
                raise InputError(
                    f"'{self._path}' is a SQLite database of another program, not a ledger. Use another file as "
                    "--ledger."
                )

    def _check_options(self, options: dict[str, Any]) -> None:
        saved = self._read_fact("options")
        if saved is None or self._is_unused():
            self._write_fact("options", json.dumps(options, sort_keys=True))
            return
        saved_options = json.loads(saved)
        names = {*saved_options, *options}
        changed = sorted(name for name in names if saved_options.get(name) != options.get(name))
        if changed:
            raise InputError(
                f"The ledger '{self._path}' was created with other options ({', '.join(changed)}). Use the same "
                "options to resume, use another ledger, or delete its rows with --restart (restart=True)."
            )

    def _is_unused(self) -> bool:
        """Whether there is no finished row, and nothing was spent."""
        has_rows = self._db.execute("SELECT 1 FROM done LIMIT 1").fetchone() is not None
        return not has_rows and self.spent().calls == 0

    def close(self) -> None:
        """Close and unlock the file."""
        self._db.close()

    @contextmanager
    def _guard(self) -> Iterator[None]:
        """Convert errors of the file to CheckpointError."""
        subject = f"The ledger '{self._path}' (--ledger)"
        try:
            yield
        except sqlite3.Error as error:
            raise CheckpointError(describe_sqlite_error(subject, error)) from None
        except ValueError as error:
            raise CheckpointError(
                f"{subject} is damaged or from another program ({type(error).__name__}). Use another file."
            ) from None

    def register(self, row: Row) -> bool:
        """Register an input row; return False for a duplicate id."""
        with self._guard():
            extra = json.dumps(dict(row.extra), default=str)  # Parquet has dates
            cursor = self._db.execute(
                "INSERT OR IGNORE INTO seen (id, digest, extra) VALUES (?, ?, ?)",
                (row.id, row.digest, extra),
            )
            return cursor.rowcount == 1

    def result(self, row: Row) -> dict[str, Any] | None:
        """Return a row's saved result, or None if it is unfinished."""
        with self._guard():
            cursor = self._db.execute(
                "SELECT result FROM done WHERE id = ? AND digest = ?", (row.id, row.digest)
            )
            record = cursor.fetchone()
            if record is None:
                return None
            result = json.loads(record[0])
            if not isinstance(result, dict):
                raise ValueError(result)
            return result

    def finish(self, row: Row, result: dict[str, Any]) -> None:
        """Save the result of a finished row."""
        with self._guard():
            # An unpaired surrogate becomes an escape, which is valid JSON.
            text = json.dumps(result, ensure_ascii=False).encode("utf-8", "backslashreplace")
            self._db.execute(_FINISH, (row.id, row.digest, text.decode()))

    def ordered_results(self) -> Iterator[dict[str, Any]]:
        """Yield the results of the finished rows in input order, with their extra columns."""
        with self._guard():
            query = "SELECT result, extra FROM seen JOIN done USING (id, digest) ORDER BY place"
            for result, extra in self._db.execute(query):
                yield add_columns(json.loads(result), json.loads(extra))

    def spent(self) -> Usage:
        """Return the usage of the batch, including earlier processes."""
        with self._guard():
            saved = self._read_fact("usage")
            if not saved:
                return Usage()
            return Usage.model_validate_json(saved)

    def save_usage(self, usage: Usage) -> None:
        """Replace the saved usage of the batch."""
        with self._guard():
            self._write_fact("usage", usage.model_dump_json())

    def _read_fact(self, name: str) -> str | None:
        record = self._db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        if record is None:
            return None
        return str(record[0])

    def _write_fact(self, name: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))


def add_columns(result: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """Return a result with a row's extra columns, in a form that JSON can hold.

    A column with the name of a result's field, such as `answer`, gets the prefix `input_`.
    """
    columns = {}
    for name, value in json.loads(json.dumps(dict(extra), default=str)).items():
        columns[f"input_{name}" if name in result else name] = value
    return {**result, **columns}


def _cannot_open(path: str | Path, error: Exception) -> InputError:
    if "locked" in str(error):
        return InputError(
            f"The ledger '{path}' is in use: wait until no other batch uses it, or pass another --ledger."
        )
    return InputError(describe_sqlite_error(f"The ledger '{path}' (--ledger)", error))


def fingerprint(name: str, context: Context) -> dict[str, Any]:
    """Return the options that determine a row's result, without API keys.

    Models are represented by a hash of their parameters, prompt files by a hash of their text, and functions by module
    and name: a change of their code is not noticed.
    """
    options: dict[str, Any] = {"graph": name}
    for option in Context.model_fields:
        if option not in ("retries", "require_isolation", "cache"):
            options[option] = _to_json(getattr(context, option))
    texts = []
    if context.prompt_dir:
        for path in sorted(Path(context.prompt_dir).glob("*.md")):
            texts.append((path.name, path.read_text("utf-8")))
    options["prompt_dir"] = _short_hash(json.dumps(texts))
    return options


def _to_json(value: Any) -> Any:
    if isinstance(value, BaseChatModel):
        parameters = json.dumps(value._identifying_params, sort_keys=True, default=str)
        return [type(value).__name__, _short_hash(parameters)]
    if isinstance(value, dict):
        return {str(_to_json(name)): _to_json(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_to_json(item) for item in value]
    if hasattr(value, "model_dump"):
        return value.model_dump()
    if callable(value):
        return _qualified_name(value)
    return value


def _qualified_name(function: Callable[..., Any]) -> str:
    """Return the module and name of a function, or of the class of another callable."""
    named = function if hasattr(function, "__qualname__") else type(function)
    return f"{named.__module__}.{named.__qualname__}"


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
