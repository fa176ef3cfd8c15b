"""The desk in a real browser: markup in every field, a live critic, a full disk."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from selfcritic.agent.data.files import write_records
from selfcritic.agent.data.records import AnswerRecord, Bug, CritiqueSample
from selfcritic.agent.schemas import Comment, Critique, Round
from tests.support.browser import open_browser
from tests.support.desk_records import create_record
from tests.support.running_desk import (
    open_page,
    press,
    read_event_types,
    read_events,
    run_desk,
    wait_saved,
)

pytestmark = pytest.mark.slow
MARKUP = "<img src=x onerror=window.wasAttacked=1>"
"""Runs if any field of the page is rendered as HTML."""
LATE_MARKUP = f'"><svg onload=window.wasAttacked=1>{MARKUP}</script><script>window.wasAttacked=1'


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


def create_attack() -> AnswerRecord:
    """Return a record with markup in every field of text."""
    comment = Comment(quote=MARKUP, text=LATE_MARKUP, start=0, end=len(MARKUP), source=MARKUP)
    critiques = []
    for number in range(3):
        sample = CritiqueSample(
            id=f"{MARKUP}{number}",
            critic=f"{LATE_MARKUP}{number}",
            text=MARKUP,
            comments=[comment],
            ungrounded=[comment],
            unparsed=LATE_MARKUP,
        )
        critiques.append(sample)
    bug = Bug(id=MARKUP, description=LATE_MARKUP, quote=MARKUP, start=0, end=len(MARKUP))
    return AnswerRecord(
        id=MARKUP,
        task=MARKUP,
        question=LATE_MARKUP,
        context=LATE_MARKUP,
        answer=f"{MARKUP}\n{LATE_MARKUP}",
        language=MARKUP.lower(),
        bugs=[bug],
        critiques=critiques,
    )


def create_run(path: Path) -> None:
    """Write the result of a run with markup in every field of text."""
    comment = Comment(quote=MARKUP, text=LATE_MARKUP, source=MARKUP)
    critique = Critique(
        text=MARKUP, comments=[comment], ungrounded=[comment], unparsed=LATE_MARKUP, selected=True
    )
    rounds = []
    for answer in (f"{MARKUP}\n{LATE_MARKUP}", f"{MARKUP}\n{LATE_MARKUP} changed"):
        rounds.append(Round(answer=answer, findings=[comment], critiques=[critique]))
    output = {
        "answer": MARKUP,
        "rounds": [each.model_dump(mode="json") for each in rounds],
        "best_round": 1,
        "stop_reason": "model_error",
        "error": LATE_MARKUP,
    }
    path.write_text(json.dumps(output))


def expect_no_markup(page: Page) -> None:
    assert page.locator("img, svg, iframe, object, script:not([src])").count() == 0
    assert page.evaluate("window.wasAttacked") is None


def test_markup_is_text_in_every_field(browser: Browser, tmp_path: Path):
    file = tmp_path / f"{MARKUP}.jsonl"
    write_records(file, [create_attack()])
    create_run(tmp_path / "run.json")
    # Without its policy, the page would run any markup that it renders.
    with (
        run_desk(file, "--run", str(tmp_path / "run.json")) as desk,
        open_page(browser, desk, MARKUP, bypass_csp=True) as page,
    ):
        page.get_by_text("Context").click()
        expect(page.locator("#answer")).to_contain_text(LATE_MARKUP)
        press(page, "e")
        page.locator("#draft-text").fill(f"edited {LATE_MARKUP}")
        press(page, "Control+Enter")
        expect(page.get_by_text(f"edited {LATE_MARKUP}")).to_be_visible()
        press(page, "ArrowDown", "c")
        page.locator("#draft-text").fill(f"added {MARKUP}")
        press(page, "Control+Enter")
        expect(page.get_by_text(f"added {MARKUP}")).to_be_visible()
        wait_saved(page)
        expect_no_markup(page)
        page.locator("[data-screen=rate]").press("Enter")
        expect(page.get_by_text(f"Points out this bug: {LATE_MARKUP}")).to_be_visible()
        press(page, "1", "r")
        page.keyboard.type(MARKUP)
        press(page, "Escape")
        wait_saved(page)
        page.reload()
        page.locator("[data-screen=rate]").press("Enter")
        expect(page.locator("textarea")).to_have_value(MARKUP)
        expect_no_markup(page)
        page.locator("[data-screen=compare]").press("Enter")
        expect(page.get_by_label("Critique D", exact=True)).to_be_visible()
        expect_no_markup(page)
        press(page, "s")
        page.locator("#dialog-input").fill(LATE_MARKUP)
        press(page, "Enter")
        expect(page.locator("#main")).to_contain_text("nothing left")
        page.locator("[data-screen=run]").press("Enter")
        expect(page.get_by_role("heading", name="Draft 2")).to_be_visible()
        expect(page.locator(".run")).to_contain_text(LATE_MARKUP)
        expect_no_markup(page)
        page.locator("[data-screen=review]").press("Enter")
        expect(page.get_by_role("heading", name="Comments (2)")).to_be_visible()
        press(page, "g")
        expect(page.get_by_text("Krippendorff")).to_be_visible()
        press(page, "Escape")
        expect(page.get_by_text("Krippendorff")).to_be_hidden()
        press(page, "Control+Enter")
        expect(page.locator("#main")).to_contain_text("Thank you")
        expect_no_markup(page)
    texts = [event["text"] for event in read_events(file) if "text" in event]
    assert texts == [f"edited {LATE_MARKUP}", f"added {MARKUP}", MARKUP]
    reasons = [event["reason"] for event in read_events(file) if "reason" in event]
    assert reasons == [LATE_MARKUP]


def test_asks_a_live_critic_for_more_comments(browser: Browser, tmp_path: Path):
    short = "```\nsorted(values)\n```\nShort: slow."
    long = (
        "```\nordered = sorted(values)\n```\nLong: slow.\n\n"
        "```\nmiddle = len(ordered) // 2\n```\nLong: empty lists.\n\n"
        "```\nordered[middle] + ordered[middle - 1] / 2\n```\nLong: parentheses."
    )
    script = {"critique": [short, long] * 4, "helpfulness": [0.8, 0.6] * 4}
    (tmp_path / "critic.json").write_text(json.dumps(script))
    file = tmp_path / "answers.jsonl"
    write_records(file, [create_record("r1"), create_record("r2")])
    with (
        run_desk(file, "--model", f"scripted:{tmp_path / 'critic.json'}") as desk,
        open_page(browser, desk, "bob") as page,
    ):
        for modifier, text in (("0", "Short: slow."), ("0.2", "Long: empty lists.")):
            press(page, "m")
            page.locator("#dialog-input").fill(modifier)
            press(page, "Enter")
            expect(page.locator("#comments")).to_contain_text(text)
        expect(page.get_by_role("listitem")).to_have_count(3)
        press(page, "x")
        expect(page.get_by_label("Comment 1, removed")).to_be_visible()
        press(page, "s")
        page.locator("#dialog-input").fill("another answer")
        press(page, "Enter")
        expect(page.locator("#comments")).to_contain_text("Half of one.")
        press(page, "m")
        page.locator("#dialog-input").fill("0")
        press(page, "Enter")  # the script has no more replies
        expect(page.locator("#message")).to_contain_text("The critic failed: The script has no")
        expect(page.locator("#comments")).to_contain_text("Half of one.")
    assert read_event_types(file) == ["found", "found", "remove", "skip"]
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["answers.jsonl", "answers.jsonl.desk", "critic.json"]  # closed on SIGTERM


def test_a_full_disk_loses_nothing(browser: Browser, tmp_path: Path):
    file = tmp_path / "answers.jsonl"
    write_records(file, [create_record("r1"), create_record("r2")])
    with run_desk(file) as desk, open_page(browser, desk, "bob") as page:
        press(page, "x")
        wait_saved(page)
        with desk.full_disk():
            press(page, "z")
            expect(page.locator("#saved")).to_contain_text("Not saved, trying again…")
            expect(page.locator("#saved")).to_contain_text("Check the free disk space.")
            assert read_event_types(file) == ["remove"]
        wait_saved(page)
        press(page, "e")
        page.locator("#draft-text").fill("Not lost.")
        with desk.full_disk():
            press(page, "Control+Enter")
            expect(page.locator("#saved")).to_contain_text("Not saved, trying again…")
            desk.stop(signal.SIGKILL)
        desk.start(desk.port)
        page.goto(desk.url)  # the new token; the page sends what it kept
        expect(page.get_by_label("Comment 1, edited")).to_contain_text("Not lost.")
        press(page, "Control+Enter")
        expect(page.locator("#progress")).to_have_text("1 of 2 done (1 by you)")
    assert read_event_types(file) == ["remove", "undo", "edit", "submit"]
