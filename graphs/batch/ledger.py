"""A batch's ledger in a SQLite file: the rows that are done, what was spent, and the options they were run with.

A row is known by its id and its content together: changed content under an old id is another row. Everything is
committed before the driver goes on, so that a process killed at any moment loses nothing that stands here. One process
holds the file at a time.
"""

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from langchain_core.language_models import BaseChatModel

from selfcritic.agent.context import Context
from selfcritic.agent.errors import InputError
from selfcritic.agent.schemas import Usage
from selfcritic.graphs.batch.dataset import Row

_TABLES = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS done (id TEXT, digest TEXT, result TEXT, PRIMARY KEY (id, digest));
CREATE TEMP TABLE seen (place INTEGER PRIMARY KEY, id TEXT UNIQUE, digest TEXT);
"""


class Ledger:
    """The ledger of one batch; raises InputError where the file is in use, foreign, or of other options."""

    def __init__(self, path: str | Path, options: dict[str, Any], restart: bool = False) -> None:
        try:
            self._db = sqlite3.connect(path, isolation_level=None, timeout=0)
            self._db.execute("PRAGMA locking_mode = EXCLUSIVE")  # two drivers would pay for each row twice
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")  # outlives the process, if not the machine's power
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute("COMMIT")
            self._db.executescript(_TABLES)
            if restart:
                self._db.executescript("BEGIN; DELETE FROM done; DELETE FROM facts; COMMIT")
            self._same_options(options, path)
        except sqlite3.Error as error:
            raise InputError(f"The ledger '{path}' cannot be used: {error}. Does another batch hold it?") from error

    def _same_options(self, options: dict[str, Any], path: str | Path) -> None:
        earlier = self._fact("options")
        if earlier is None:
            self._write("options", json.dumps(options, sort_keys=True))
            return
        before = json.loads(earlier)
        if differing := sorted(name for name in {*before, *options} if before.get(name) != options.get(name)):
            self.close()
            raise InputError(
                f"The ledger '{path}' was begun with other options ({', '.join(differing)}). Give the earlier ones to "
                "go on, name another ledger, or begin anew with --restart (restart=True), which forgets its rows."
            )

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def register(self, row: Row) -> bool:
        """Note a row of this input; False where its id has come before."""
        taken = self._db.execute("INSERT OR IGNORE INTO seen (id, digest) VALUES (?, ?)", (row.id, row.digest))
        return taken.rowcount == 1

    def result(self, row: Row) -> dict[str, Any] | None:
        """What a row came to where it is done."""
        found = self._db.execute("SELECT result FROM done WHERE id = ? AND digest = ?", (row.id, row.digest)).fetchone()
        return json.loads(found[0]) if found else None

    def finish(self, row: Row, result: dict[str, Any]) -> None:
        """Write a row down as done."""
        text = json.dumps(result, ensure_ascii=False)
        self._db.execute("INSERT OR IGNORE INTO done VALUES (?, ?, ?)", (row.id, row.digest, text))

    def ordered_results(self) -> Iterator[dict[str, Any]]:
        """The results of this input's rows, as far as they are done."""
        query = "SELECT result FROM seen JOIN done USING (id, digest) ORDER BY place"
        return (json.loads(text) for (text,) in self._db.execute(query))

    def spent(self) -> Usage:
        """What the batch has spent so far, in this process and those before."""
        told = self._fact("usage")
        return Usage.model_validate_json(told) if told else Usage()

    def save_usage(self, usage: Usage) -> None:
        """Write down what is spent."""
        self._write("usage", usage.model_dump_json())

    def _fact(self, name: str) -> str | None:
        found = self._db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return found[0] if found else None

    def _write(self, name: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))


def fingerprint(name: str, context: Context) -> dict[str, Any]:
    """The options that a row's result depends on, models by their identity and prompts by their text; no key in it."""
    told = {option: _plain(getattr(context, option)) for option in Context.model_fields if option != "retries"}
    folder = context.prompt_dir
    texts = [(path.name, path.read_text("utf-8")) for path in sorted(Path(folder).glob("*.md"))] if folder else []
    return {"graph": name, **told, "prompt_dir": hashlib.sha256(json.dumps(texts).encode()).hexdigest()[:16]}


def _plain(value: Any) -> Any:
    if isinstance(value, BaseChatModel):
        text = json.dumps(value._identifying_params, sort_keys=True, default=str)
        return [type(value).__name__, hashlib.sha256(text.encode()).hexdigest()[:16]]
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value.model_dump() if hasattr(value, "model_dump") else value
