"""A desk in a new process, and pages of it in a browser."""

import json
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect

WAIT_MILLISECONDS = 60_000
COMMAND = [sys.executable, "-c", "from selfcritic.graphs.cli.app import main; main()", "desk"]


class RunningDesk:
    """A desk in a new process."""

    def __init__(self, file: Path | None, *options: str) -> None:
        self.arguments = [] if file is None else [str(file)]
        self.options = options
        self.start()

    def start(self, port: int = 0) -> None:
        """Start the process, and wait for its address."""
        options = ["--port", str(port), *self.options]
        self.process = subprocess.Popen(
            [*COMMAND, *self.arguments, *options], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()
        assert self.url, "The desk printed no address."

    @property
    def port(self) -> int:
        """The port of the address."""
        return int(self.url.split(":")[2].split("/")[0])

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Send a signal, and wait for the end of the process."""
        self.process.send_signal(number)
        self.process.wait(timeout=30)
        if self.process.stdout is not None:
            self.process.stdout.close()

    def export(self, folder: Path) -> None:
        """Stop the desk, and export its work."""
        self.stop()
        command = [*COMMAND, *self.arguments, "--export", str(folder)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    @contextmanager
    def full_disk(self) -> Iterator[None]:
        """Let every write of the process to a file fail."""
        identifier = self.process.pid
        before = resource.prlimit(identifier, resource.RLIMIT_FSIZE)
        resource.prlimit(identifier, resource.RLIMIT_FSIZE, (0, before[1]))
        yield
        if self.process.poll() is None:
            resource.prlimit(identifier, resource.RLIMIT_FSIZE, before)


@contextmanager
def run_desk(file: Path | None, *options: str) -> Iterator[RunningDesk]:
    """Run a desk until the end of the block."""
    desk = RunningDesk(file, *options)
    try:
        yield desk
    finally:
        if desk.process.poll() is None:
            desk.stop()


@contextmanager
def open_page(browser: Browser, desk: RunningDesk, name: str, **options: Any) -> Iterator[Page]:
    """Open the desk as a person; fail if the page has an error or runs text of a record."""
    context = browser.new_context(**options)
    context.set_default_timeout(WAIT_MILLISECONDS)
    expect.set_options(timeout=WAIT_MILLISECONDS)
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(desk.url)
    page.keyboard.type(name)
    page.keyboard.press("Enter")
    expect(page.locator("#answer")).to_be_visible()
    yield page
    assert problems == []
    assert page.evaluate("window.wasAttacked") is None
    context.close()


def press(page: Page, *keys: str) -> None:
    """Press keys, one after another."""
    for key in keys:
        page.keyboard.press(key)


def wait_saved(page: Page) -> None:
    """Wait until all changes are saved."""
    expect(page.locator("#saved")).to_have_text("Saved")


def read_events(file: Path) -> list[dict[str, Any]]:
    """Return all events in the database of a file."""
    connection = sqlite3.connect(f"{file}.desk")
    rows = connection.execute("SELECT payload FROM event ORDER BY id").fetchall()
    connection.close()
    return [json.loads(payload) for (payload,) in rows]


def read_event_types(file: Path) -> list[str]:
    """Return the types of all events in the database of a file."""
    return [event["type"] for event in read_events(file)]
