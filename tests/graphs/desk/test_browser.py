"""Use the desk in a real browser, by keyboard alone."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from selfcritic.agent.data.files import read_ratings, read_records, write_records
from selfcritic.agent.data.records import HumanReview
from tests.support.browser import find_axe, open_browser
from tests.support.desk_records import ANSWER, create_record
from tests.support.running_desk import (
    RunningDesk,
    open_page,
    press,
    read_event_types,
    run_desk,
    wait_saved,
)

pytestmark = pytest.mark.slow
LAST_QUESTION = 5  # of six: one bug and five questions


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


@pytest.fixture
def records_file(tmp_path: Path) -> Path:
    path = tmp_path / "answers.jsonl"
    write_records(path, [create_record("r1"), create_record("r2")])
    return path


def test_reviews_by_keyboard_alone(browser, records_file, tmp_path):
    with run_desk(records_file) as desk:
        with open_page(browser, desk, "bob") as page:
            expect(page.get_by_label("Comment 1, kept")).to_be_visible()
            press(page, "x")
            expect(page.get_by_label("Comment 1, removed")).to_be_visible()
            press(page, "z")
            expect(page.get_by_label("Comment 1, kept")).to_be_visible()
            press(page, "e")
            page.locator("#draft-text").fill("Edited 🎯.")
            press(page, "Control+Enter")
            expect(page.get_by_label("Comment 1, edited")).to_contain_text("Edited 🎯.")
            # Select the second and third line, which have an emoji and Chinese characters.
            press(page, "ArrowDown", "ArrowDown", "Shift+ArrowDown", "c")
            page.keyboard.type("Two lines.")
            press(page, "Control+Enter")
            expect(page.get_by_label("Comment 2, added")).to_be_visible()
            press(page, "Control+Enter")
            expect(page.locator("#progress")).to_have_text("1 of 2 done (1 by you)")
        desk.export(tmp_path / "out")
    [review] = read_records(tmp_path / "out/reviews.jsonl", HumanReview)
    edited, added = review.labels
    assert edited.after is not None
    assert edited.after.text == "Edited 🎯."
    assert added.after is not None
    first_lines = "\n".join(ANSWER.split("\n")[1:3])
    assert added.after.quote == first_lines
    assert added.after.start == ANSWER.index(first_lines)
    assert review.active_seconds >= 0


def test_selects_text_with_the_mouse_across_lines(browser, records_file):
    with run_desk(records_file) as desk, open_page(browser, desk, "bob") as page:
        page.evaluate(
            """() => {
                const walker = document.createTreeWalker(document.getElementById("answer"), NodeFilter.SHOW_TEXT);
                const find = (text) => {
                    walker.currentNode = walker.root;
                    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
                        const index = node.textContent.indexOf(text);
                        if (index >= 0) return [node, index];
                    }
                };
                const [from, start] = find("🎯");
                const [to, end] = find("sorted");
                getSelection().setBaseAndExtent(from, start, to, end);
            }"""
        )
        press(page, "c")
        expected = ANSWER[ANSWER.index("🎯") : ANSWER.index("sorted")]
        expect(page.locator("#draft-quote")).to_have_value(expected)


def test_compares_four_critiques_by_keyboard_alone(browser, records_file, tmp_path):
    with run_desk(records_file) as desk:
        with open_page(browser, desk, "bob") as page:
            page.locator("[data-screen=compare]").press("Enter")
            expect(page.get_by_label("Critique D", exact=True)).to_be_visible()
            for number, column in enumerate("abcd"):
                press(page, column)
                for _ in range(LAST_QUESTION + 1):
                    press(page, str(number + 2))
                    wait_saved(page)
            expect(page.get_by_text("complete")).to_be_visible()
            press(page, "Control+Enter")
            expect(page.locator("#progress")).to_have_text("1 of 2 done (1 by you)")
        desk.export(tmp_path / "out")
    ratings = read_ratings(tmp_path / "out/ratings.jsonl")
    assert [rating.form.overall for rating in ratings if rating.form] == [2, 3, 4, 5]
    assert {rating.critique for rating in ratings} == {"c1", "c2", "c3", "c4"}


def test_rates_one_critique_and_refuses_an_incomplete_form(browser, records_file):
    with run_desk(records_file) as desk, open_page(browser, desk, "bob") as page:
        page.locator("[data-screen=rate]").press("Enter")
        expect(page.get_by_label("Critique", exact=True).first).to_be_visible()
        press(page, "6")
        expect(page.get_by_text("5 questions left")).to_be_visible()
        press(page, "Control+Enter")
        expect(page.locator("#message")).to_contain_text("Score these before you submit")


def test_two_annotators_work_at_once(browser, records_file):
    with (
        run_desk(records_file) as desk,
        open_page(browser, desk, "bob") as bob,
        open_page(browser, desk, "eve") as eve,
    ):
        press(bob, "x")
        expect(bob.get_by_label("Comment 1, removed")).to_be_visible()
        expect(eve.get_by_label("Comment 1, kept")).to_be_visible()
        press(bob, "Control+Enter")
        expect(bob.locator("#main")).to_contain_text("nothing left for you")
        press(eve, "Control+Enter")
        expect(eve.locator("#progress")).to_have_text("2 of 2 done (1 by you)")


def test_a_reload_in_the_middle_of_an_edit_loses_nothing(browser, records_file):
    with run_desk(records_file) as desk, open_page(browser, desk, "bob") as page:
        press(page, "e")
        page.locator("#draft-text").fill("Half a sentence")
        page.reload()
        expect(page.locator("#draft-text")).to_have_value("Half a sentence")


def test_a_killed_server_loses_nothing(browser, records_file, tmp_path):
    with run_desk(records_file) as desk:
        with open_page(browser, desk, "bob") as page:
            press(page, "x")
            wait_saved(page)
            port = desk.port
            desk.stop(signal.SIGKILL)
            press(page, "z")
            expect(page.locator("#saved")).to_contain_text("Not saved")
            desk.start(port)
            page.goto(desk.url)
            expect(page.get_by_label("Comment 1, kept")).to_be_visible()
            wait_saved(page)
        events = read_event_types(records_file)
    assert events == ["remove", "undo"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_has_no_accessibility_violations(browser, records_file, scheme):
    axe = find_axe()
    options = {"color_scheme": scheme, "bypass_csp": True}
    with run_desk(records_file) as desk, open_page(browser, desk, "bob", **options) as page:
        page.add_script_tag(content=axe)
        for screen in ("review", "rate", "compare"):
            page.locator(f"[data-screen={screen}]").press("Enter")
            expect(page.locator(f"[data-screen={screen}][aria-current=page]")).to_be_visible()
            expect(page.locator("#answer")).to_be_visible()
            result = page.evaluate("axe.run()")
            problems = []
            for violation in result["violations"]:
                nodes = [node["html"][:150] for node in violation["nodes"]]
                problems.append((violation["id"], nodes))
            assert problems == []


def test_fits_a_phone(browser, records_file):
    viewport = {"width": 390, "height": 844}
    with run_desk(records_file) as desk, open_page(browser, desk, "bob", viewport=viewport) as page:
        for screen in ("review", "rate", "compare"):
            page.locator(f"[data-screen={screen}]").press("Enter")
            expect(page.locator("#answer")).to_be_visible()
            assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_shows_a_finished_run(browser, tmp_path):
    path = tmp_path / "run.json"
    question = "Sort these words alphabetically: pear, fig, apple."
    environment = {**os.environ, "SELFCRITIC_MODEL": "simulated"}
    script = "from selfcritic.graphs.cli.app import main; main()"
    arguments = ["run", question, "--seed", "3", "--json", "--quiet"]
    result = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    path.write_text(result.stdout)
    rounds = json.loads(result.stdout)["rounds"]
    desk = RunningDesk(None, "--run", str(path))
    try:
        page = browser.new_page()
        page.goto(desk.url)
        expect(page.get_by_role("heading", name="Draft 1")).to_be_visible()
        expect(page.locator(".run > section")).to_have_count(len(rounds))
        page.close()
    finally:
        desk.stop()
