"""Describe how a folder of records was made: command, versions, seeds and data."""

import hashlib
import json
import platform
import subprocess
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from selfcritic.agent.data.records import VersionedRecord
from selfcritic.agent.errors import InputError

MANIFEST_FILE = "manifest.json"
_PACKAGES = ("selfcritic", "langgraph", "langchain-core", "litellm", "inspect-ai", "scikit-learn")
_CHUNK_BYTES = 2**20


class Manifest(VersionedRecord):
    """What one needs to repeat a run, and to distinguish two runs."""

    command: list[str]
    """The command line, without keys."""
    task: str
    """What was run, such as "critic" or "refine"."""
    models: dict[str, str]
    """Name of the model of each role."""
    seed: int | None = None
    data: str
    """Name of the data."""
    data_sha256: str
    """Hash of the data; runs of different data are not comparable."""
    options: dict[str, Any] = Field(default_factory=dict)
    created: str = ""
    """Time in UTC, ISO 8601."""
    commit: str | None = None
    """Git commit of the working directory; None outside a repository."""
    python: str = ""
    packages: dict[str, str] = Field(default_factory=dict)
    """Versions of the installed packages."""


def create_manifest(**values: Any) -> Manifest:
    """Return a manifest with the versions, the time and the commit filled in."""
    return Manifest(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        commit=_git_commit(),
        python=platform.python_version(),
        packages=_installed_versions(),
        **values,
    )


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest of a run."""
    text = json.dumps(manifest.model_dump(mode="json"), indent=2)
    (folder / MANIFEST_FILE).write_text(f"{text}\n", encoding="utf-8")


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a run.

    Raises:
        InputError: The folder has no valid manifest.
    """
    path = folder / MANIFEST_FILE
    try:
        return Manifest.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            f"{folder} has no {MANIFEST_FILE}, which identifies the data. Pass the --out folder of a run, or write one "
            "with `create_manifest` and `write_manifest` of selfcritic.agent.data.manifest (docs/evals.md)."
        ) from None
    except (ValidationError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not a valid manifest: {error}") from None


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _installed_versions() -> dict[str, str]:
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions


def _git_commit() -> str | None:
    command = ["git", "rev-parse", "HEAD"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    return result.stdout.strip()
