"""Read the history of a git repository without running anything of it.

Only commands that read objects are used: nothing is checked out, so no filter, hook, pager or diff program runs.
"""

import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from selfcritic.agent.data.tampering.natural import Fix
from selfcritic.agent.errors import InputError

_SAFE_OPTIONS = (
    "--no-pager",
    "--no-replace-objects",
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "core.fsmonitor=false",
    "-c",
    "core.attributesFile=/dev/null",
    "-c",
    "protocol.allow=never",
    "-c",
    "log.showSignature=false",
)
_ENVIRONMENT = {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}
_FIX = r"(^|[^a-z])(fix(es|ed)?|bug|bugfix|regression|incorrect|wrong)([^a-z]|$)"
_MAX_SECONDS = 120
_MAX_MESSAGE_CHARS = 2000
_ID_CHARS = 12
_FILE_MODES = ("100644", "100755")


@dataclass(frozen=True)
class Commit:
    """A commit with one parent."""

    sha: str
    parent: str
    message: str

    @property
    def subject(self) -> str:
        """The first line of the message."""
        return self.message.strip().partition("\n")[0]


class Repository:
    """A git repository, read-only."""

    def __init__(self, path: Path) -> None:
        """Open the repository.

        Raises:
            InputError: It is no repository, has no commit, or git is not installed.
        """
        if not path.is_dir():
            raise InputError(f"--from-git needs a folder with a git repository; got '{path}'.")
        self._path = path
        self._git("rev-parse", "--verify", "--quiet", "HEAD^{commit}")

    def find_fixes(self, count: int) -> list[Commit]:
        """Return the latest commits whose message is about a fix, newest first."""
        output = self._git(
            "rev-list",
            "--no-merges",
            f"--max-count={count}",
            "--extended-regexp",
            "--regexp-ignore-case",
            f"--grep={_FIX}",
            "HEAD",
        )
        commits = []
        for sha in output.decode().split():
            commit = self._read_commit(sha)
            if commit is not None:
                commits.append(commit)
        return commits

    def _read_commit(self, sha: str) -> Commit | None:
        text = self._git("cat-file", "commit", sha).decode("utf-8", "replace")
        header, _, message = text.partition("\n\n")
        parents = re.findall(r"^parent ([0-9a-f]+)$", header, re.MULTILINE)
        if len(parents) != 1:
            return None
        return Commit(sha, parents[0], message)

    def changed_files(self, commit: Commit) -> list[str]:
        """Return the paths that a commit adds, modifies or deletes."""
        options = ("-r", "-z", "--name-only", "--no-renames", "--no-ext-diff", "--no-textconv")
        output = self._git("diff-tree", *options, commit.parent, commit.sha)
        return [path.decode("utf-8", "replace") for path in output.split(b"\0") if path]

    def read_tree(self, sha: str) -> dict[str, bytes]:
        """Return the regular files of a commit, without links and submodules."""
        blobs: dict[str, str] = {}
        for entry in self._git("ls-tree", "-r", "-z", sha).split(b"\0"):
            facts, _, path = entry.partition(b"\t")
            fields = facts.decode().split()
            if len(fields) == 3 and fields[0] in _FILE_MODES:
                blobs[path.decode("utf-8", "replace")] = fields[2]
        contents = self._read_blobs(list(blobs.values()))
        return dict(zip(blobs, contents, strict=True))

    def load_fix(self, commit: Commit) -> Fix:
        """Return the versions before and after a commit."""
        return Fix(
            id=commit.sha[:_ID_CHARS],
            package=self._path.resolve().name,
            before=self.read_tree(commit.parent),
            after=self.read_tree(commit.sha),
            changed=self.changed_files(commit),
            description=commit.message.strip()[:_MAX_MESSAGE_CHARS],
        )

    def _read_blobs(self, blobs: Sequence[str]) -> list[bytes]:
        output = self._git("cat-file", "--batch", stdin="".join(f"{blob}\n" for blob in blobs))
        contents = []
        position = 0
        for _ in blobs:
            line_end = output.index(b"\n", position)
            size = output[position:line_end].split()[-1]
            if not size.isdigit():
                raise InputError(
                    f"'{self._path}' (--from-git) lacks a file of its history. Clone it without --filter."
                )
            end = line_end + 1 + int(size)
            contents.append(output[line_end + 1 : end])
            position = end + 1
        return contents

    def _git(self, *arguments: str, stdin: str = "") -> bytes:
        command = ["git", *_SAFE_OPTIONS, "-C", str(self._path), *arguments]
        environment = {"PATH": os.environ.get("PATH", os.defpath), **_ENVIRONMENT}
        try:
            process = subprocess.run(
                command,
                input=stdin.encode(),
                capture_output=True,
                env=environment,
                check=False,
                timeout=_MAX_SECONDS,
            )
        except FileNotFoundError:
            raise InputError("--from-git needs git. Install it.") from None
        except subprocess.TimeoutExpired:
            raise InputError(
                f"git did not end within {_MAX_SECONDS} seconds in '{self._path}' (--from-git)."
            ) from None
        if process.returncode != 0:
            message = process.stderr.decode("utf-8", "replace").strip()
            reason = message.partition("\n")[0] or "there is no commit"
            raise InputError(f"'{self._path}' (--from-git) cannot be read: {reason}")
        return process.stdout
