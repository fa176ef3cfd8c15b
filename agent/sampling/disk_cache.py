"""Store model replies in a SQLite file, as a LangChain cache.

The file holds hashes of requests and replies as JSON; it has no prompts. Processes can share it. It is readable by its
owner only.
"""

import contextlib
import hashlib
import json
import logging
import os
import sqlite3
import threading
from pathlib import Path
from typing import Any

from langchain_core.caches import RETURN_VAL_TYPE, BaseCache
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration

from selfcritic.agent.addresses import reject_address
from selfcritic.agent.errors import InputError
from selfcritic.agent.redaction import contains_secret

FILE_NAME = "replies.sqlite"
_APPLICATION_ID = 0x5E1FCA5E
"""Marks a SQLite file as this package's cache."""
_VERSION = 1
_BUSY_SECONDS = 2.0
"""How long to wait for another process that writes."""
_TABLE = "CREATE TABLE IF NOT EXISTS replies (key TEXT PRIMARY KEY, reply TEXT) WITHOUT ROWID"
_log = logging.getLogger(__name__)


class DiskCache(BaseCache):
    """Replies in a folder; a failure disables the cache and never the run."""

    def __init__(self, folder: str | Path) -> None:
        """Open or create the folder.

        Raises:
            InputError: The folder cannot be used, or its file is damaged or from another program.
        """
        reject_address(folder, "`cache` (--cache)")
        self.folder = Path(folder).expanduser()
        self._lock = threading.Lock()
        self._is_off = False
        path = self.folder / FILE_NAME
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with contextlib.suppress(FileExistsError):
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            self._db = sqlite3.connect(
                path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
        except (OSError, sqlite3.Error) as error:
            raise self._unusable(error) from None
        try:
            self._prepare()
        except sqlite3.Error as error:
            self.close()
            raise self._unusable(error) from None
        except InputError:
            self.close()
            raise

    def _prepare(self) -> None:
        """Check that the file is a cache, and set up a new one."""
        self._db.execute("BEGIN IMMEDIATE")  # also checks write access
        [application_id] = self._db.execute("PRAGMA application_id").fetchone()
        [version] = self._db.execute("PRAGMA user_version").fetchone()
        [num_tables] = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if num_tables and (application_id, version) != (_APPLICATION_ID, _VERSION):
            raise InputError(
                f"'{self.folder / FILE_NAME}' is not a cache of this version of selfcritic. Use another folder as "
                "`cache` (--cache)."
            )
        self._db.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        self._db.execute(f"PRAGMA user_version = {_VERSION}")
        self._db.execute(_TABLE)
        self._db.execute("COMMIT")
        with contextlib.suppress(sqlite3.OperationalError):  # another process may do it now
            self._db.execute("PRAGMA journal_mode = WAL")
        # Entries survive a killed process, but not a power failure.
        self._db.execute("PRAGMA synchronous = NORMAL")

    def lookup(self, prompt: str, llm_string: str) -> RETURN_VAL_TYPE | None:
        """Return the replies of an entry; None if it is missing or unreadable."""
        query = "SELECT reply FROM replies WHERE key = ?"
        with self._lock:
            if self._is_off:
                return None
            try:
                record = self._db.execute(query, (_key(prompt, llm_string),)).fetchone()
            except sqlite3.Error as error:
                self._turn_off(error)
                return None
        if record is None:
            return None
        return _decode(record[0])

    def update(self, prompt: str, llm_string: str, return_val: RETURN_VAL_TYPE) -> None:
        """Save replies, unless they contain a credential of this process."""
        text = _encode(return_val)
        if text is None or contains_secret(text):
            return
        with self._lock:
            if self._is_off:
                return
            try:
                self._db.execute(
                    "INSERT OR REPLACE INTO replies VALUES (?, ?)", (_key(prompt, llm_string), text)
                )
            except sqlite3.Error as error:
                self._turn_off(error)

    def clear(self, **_: Any) -> None:
        """Delete all entries."""
        with self._lock:
            self._db.execute("DELETE FROM replies")

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _turn_off(self, error: sqlite3.Error) -> None:
        self._is_off = True
        _log.warning("%s The run continues without it.", self._describe(error))

    def _unusable(self, error: Exception) -> InputError:
        return InputError(self._describe(error))

    def _describe(self, error: Exception) -> str:
        text = str(error)
        if isinstance(error, OSError) and error.strerror:
            text = error.strerror
        if "full" in text or "disk I/O" in text or "No space" in text:
            remedy = "Free some space on its disk."
        elif "malformed" in text or "not a database" in text:
            remedy = f"Its file is damaged: delete {FILE_NAME}, or use another folder."
        elif "locked" in text:
            remedy = "Another process blocks it: wait until that ends, or use another folder."
        else:
            remedy = "Check that it is a folder that you can write to, or use another one."
        return f"The cache '{self.folder}' (`cache`, --cache) cannot be used: {text}. {remedy}"


def _key(prompt: str, llm_string: str) -> str:
    text = json.dumps([prompt, llm_string])
    return hashlib.sha256(text.encode()).hexdigest()


def _encode(replies: RETURN_VAL_TYPE) -> str | None:
    """Return replies as JSON; None for those that JSON does not reproduce."""
    entries = []
    for reply in replies:
        if not isinstance(reply, ChatGeneration) or not isinstance(reply.message, AIMessage):
            return None
        message = reply.message.model_dump(exclude={"id"})
        entries.append({"message": message, "info": reply.generation_info})
    try:
        # Escapes unpaired surrogates, which SQLite rejects.
        text = json.dumps(entries)
        is_exact = json.loads(text) == entries
    except (TypeError, ValueError):
        return None
    return text if is_exact else None


def _decode(text: object) -> RETURN_VAL_TYPE | None:
    """Return the replies; None if the entry is damaged."""
    try:
        entries = json.loads(str(text))
        replies = []
        for entry in entries:
            message = AIMessage.model_validate(entry["message"])
            replies.append(ChatGeneration(message=message, generation_info=entry["info"]))
    except (KeyError, TypeError, ValueError):
        return None
    return replies
