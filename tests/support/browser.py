"""A headless Chromium for tests of web pages; installed if the machine allows it."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_ARGUMENTS = [
    "--no-sandbox",  # does not start for root otherwise
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
]
_TOOLS = Path(__file__).parents[2] / ".tools"


def find_chromium() -> str:
    """Return the path of Chromium; skip the test if it cannot be installed."""
    for name in _NAMES:
        if path := shutil.which(name):
            return path
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        pytest.skip("needs Chromium: install it, or run as root on Debian")
    for command in (["apt-get", "update"], ["apt-get", "install", "--yes", "chromium"]):
        result = subprocess.run(command, capture_output=True, check=False)
        if result.returncode:
            pytest.skip("needs Chromium: apt-get could not install it")
    return find_chromium()


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Start Chromium."""
    path = find_chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_ARGUMENTS)
        yield browser
        browser.close()


def find_axe() -> str:
    """Return the source of axe-core, the accessibility checker; skip without it."""
    script = _TOOLS / "node_modules/axe-core/axe.min.js"
    if not script.exists():
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip("needs axe-core: install npm")
        command = [npm, "install", "--prefix", str(_TOOLS), "--no-save", "axe-core@4"]
        result = subprocess.run(command, capture_output=True, check=False)
        if result.returncode:
            pytest.skip("needs axe-core: npm could not install it")
    return script.read_text(encoding="utf-8")
