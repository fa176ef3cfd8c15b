"""Take the pictures of docs/desk.md.

python -m tests.support.desk_pictures
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, ViewportSize, expect

from selfcritic.agent.critic.format import render
from selfcritic.agent.data.files import write_records
from selfcritic.agent.data.records import AnswerRecord, Bug, CritiqueSample
from selfcritic.agent.schemas import Comment, Severity
from tests.support.browser import open_browser
from tests.support.running_desk import RunningDesk, open_page, press, run_desk, wait_saved

FOLDER = Path(__file__).parents[2] / "docs"
WIDE: ViewportSize = {"width": 1280, "height": 800}
TALL: ViewportSize = {"width": 1280, "height": 960}
PHONE: ViewportSize = {"width": 390, "height": 844}
QUESTION = (
    "Write a Python function `merge(intervals)` that merges overlapping intervals and returns them sorted. "
    "Intervals that touch overlap, too."
)
ANSWER = '''def merge(intervals: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the union of the intervals, sorted by their starts."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(intervals):
        if merged and start < merged[-1][1]:
            previous_start, _ = merged.pop()
            merged.append((previous_start, end))
        else:
            merged.append((start, end))
    return merged
'''
TOUCH = "start < merged[-1][1]"
LENGTH = "merged.append((previous_start, end))"


def comment(quote: str, text: str, severity: Severity) -> Comment:
    """Return a comment on the answer."""
    start = ANSWER.index(quote)
    return Comment(quote=quote, text=text, severity=severity, start=start, end=start + len(quote))


CRITIQUES = {
    "critic-large": [
        comment(
            LENGTH,
            "The end of an interval inside an earlier one is smaller: merge([(1, 9), (2, 3)]) returns [(1, 3)]. "
            "Use max(previous_end, end).",
            "high",
        ),
        comment("sorted(intervals)", "Sorting a copy doubles the memory.", "low"),
    ],
    "critic-small": [
        comment("start < merged[-1][1]", "This raises an IndexError for an empty list.", "medium")
    ],
    "previous-release": [
        comment(TOUCH, "Touching intervals are not merged: use <=.", "high"),
        comment("_ = merged.pop()", "Name the value that is not used.", "low"),
    ],
}


def create_record(identifier: str) -> AnswerRecord:
    """Return an answer with two bugs and three critiques."""
    bugs = []
    for number, (quote, text) in enumerate(
        (
            (TOUCH, "Touching intervals are not merged."),
            (LENGTH, "A nested interval cuts the end."),
        ),
        1,
    ):
        start = ANSWER.index(quote)
        bug = Bug(
            id=str(number), description=text, quote=quote, start=start, end=start + len(quote)
        )
        bugs.append(bug)
    critiques = []
    for critic, comments in CRITIQUES.items():
        sample = CritiqueSample(id=critic, critic=critic, text=render(comments), comments=comments)
        critiques.append(sample)
    return AnswerRecord(
        id=identifier,
        task=identifier,
        question=QUESTION,
        answer=ANSWER,
        origin="inserted",
        language="python",
        bugs=bugs,
        critiques=critiques,
    )


def save_run(path: Path) -> None:
    """Save the result of a run that refines its first draft."""
    script = "from selfcritic.graphs.cli.app import main; main()"
    question = (
        "Sort these words alphabetically: pear, fig, apple, quince, date, cherry, banana, kiwi."
    )
    command = [sys.executable, "-c", script, "run", question, "--seed", "3", "--json", "--quiet"]
    environment = {**os.environ, "SELFCRITIC_MODEL": "simulated?draft_error_rate=1"}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert len(json.loads(result.stdout)["rounds"]) > 1
    path.write_text(result.stdout)


def take(page: Page, name: str) -> None:
    """Save a picture of the page."""
    page.evaluate("document.fonts.ready")
    page.evaluate("document.activeElement.blur()")
    page.screenshot(path=FOLDER / f"{name}.png", animations="disabled", caret="hide")


def show_review(page: Page) -> None:
    """Change some comments of a review."""
    press(page, "j", "x")
    expect(page.get_by_label("Comment 2, removed")).to_be_visible()
    page.evaluate("document.getElementById('answer').focus()")
    for _ in range(5):
        press(page, "ArrowDown")
    press(page, "c")
    page.locator("#draft-text").fill("Touching intervals are not merged: use <=.")
    press(page, "Control+Enter")
    expect(page.get_by_label("Comment 3, added")).to_be_visible()
    press(page, "k", "k")
    wait_saved(page)


def show_scores(page: Page, screen: str) -> None:
    """Answer the first questions of a form."""
    page.locator(f"[data-screen={screen}]").press("Enter")
    layout = ".compare" if screen == "compare" else ".panes"
    expect(page.locator(f"{layout} .scale").first).to_be_visible()
    for score in "716":
        press(page, score)
        wait_saved(page)


def take_all(browser: Browser, desk: RunningDesk) -> None:
    """Take all pictures, each person on an item of their own."""
    with open_page(browser, desk, "Ann", viewport=WIDE) as page:
        show_review(page)
        take(page, "desk")
        show_scores(page, "rate")
        take(page, "desk_rate")
        page.set_viewport_size(TALL)
        show_scores(page, "compare")
        take(page, "desk_compare")
        page.set_viewport_size(WIDE)
        page.locator("[data-screen=run]").press("Enter")
        expect(page.get_by_role("heading", name="Draft 2")).to_be_visible()
        take(page, "desk_run")
    with open_page(browser, desk, "Bo", viewport=WIDE, color_scheme="dark") as page:
        show_review(page)
        take(page, "desk_dark")
    with open_page(browser, desk, "Cy", viewport=PHONE) as page:
        press(page, "j")
        page.locator("main").evaluate("node => node.scrollTo(0, 0)")
        wait_idle(page)
        take(page, "desk_phone")


def wait_idle(page: Page) -> None:
    """Wait until the page is drawn."""
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def main() -> None:
    """Take the pictures."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "answers.jsonl"
        run = Path(folder) / "run.json"
        write_records(file, [create_record(f"merge-{number}") for number in range(24)])
        save_run(run)
        with open_browser() as browser, run_desk(file, "--run", str(run)) as desk:
            take_all(browser, desk)


if __name__ == "__main__":
    main()
