"""`selfcritic review --fail-on` on ordinary inputs that look unusual."""

import tempfile
from pathlib import Path

import pytest

from tests.support.review_gate import gate

HASH = "efe7d83de4c3c40a559742b37b6cac9e2da981ba"
SHOWN = f"commit {HASH}\nAuthor: A <a@b.c>\nDate:   Fri Nov 27 2026\n\n    Empty\n    \n    @@ -1 +1 @@\n"
PATCH_START = f"From {HASH} Mon Sep 17 00:00:00 2001\nFrom: A <a@b.c>\nSubject: [PATCH] Change\n\n"
SIGNATURE = "-- \n2.39.5\n\n"
CHANGE = "diff --git a/calc.py b/calc.py\n--- a/calc.py\n+++ b/calc.py\n@@ -1 +1,2 @@\n x = 1\n+y = missing\n"


pytestmark = pytest.mark.usefixtures("working_dir")


@pytest.mark.parametrize(
    "text", [SHOWN, SHOWN + "\n" + SHOWN, PATCH_START + SIGNATURE, f"\x1b[33m{SHOWN}\x1b[m"]
)
def test_a_commit_without_changes_is_green_only_if_allowed(text: str):
    Path("commit.patch").write_text(text)
    for name in ("-", "commit.patch"):
        done = gate(name, stdin=text)
        assert (done.exit_code, "it has no changes" in done.stderr) == (2, True)
        assert gate(name, "--allow-empty", stdin=text).exit_code == 0


@pytest.mark.parametrize(
    "text",
    [
        SHOWN + "\n calc.py | 2 +-\n 1 file changed, 1 insertion(+)\n",
        SHOWN + "\ncalc.py\n",  # git show --name-only
        SHOWN + "\nM\tcalc.py\n",
        SHOWN + "\n@@ -1 +1 @@\n-a\n+b\n",
        PATCH_START,  # cut off
        PATCH_START + "---\n calc.py | 2 +-\n 1 file changed\n\n" + SIGNATURE,
        PATCH_START + "@@ -1 +1 @@\n-a\n+b\n" + SIGNATURE,
    ],
)
def test_a_commit_whose_changes_are_not_in_the_text_is_not_green(text: str):
    done = gate("-", "--allow-empty", stdin=text)
    assert (done.exit_code, "no changes" in done.stderr) == (2, False)


@pytest.mark.parametrize("line", ["@@ -1,2 +1,3 @@", "@@ -1,2 +1", "@@ -1 +1 @@ def f():"])
def test_a_commit_message_may_have_a_heading_of_a_hunk(line: str):
    Path("calc.py").write_text("x = 1\ny = missing\n")
    patch = f"{PATCH_START}Fix the heading\n{line}\n---\n calc.py | 1 +\n\n{CHANGE}{SIGNATURE}"
    good = CHANGE.replace("calc.py", "good.py").replace("missing", "2")
    Path("good.py").write_text("x = 1\ny = 2\n")
    first = f"{PATCH_START}Add y\n---\n\n{good}{SIGNATURE}"
    for text in (patch, first + patch):
        done = gate("-", stdin=text)
        assert (done.exit_code, "Undefined name `missing`" in done.stdout) == (1, True)
    broken = patch.replace("---\n calc.py", f"---\n{line}\n calc.py")
    assert gate("-", stdin=broken).exit_code == 2


def test_a_rename_without_its_hunks_names_the_option_that_drops_them():
    diff = "diff --git a/x.py b/y.py\nsimilarity index 90%\nrename from x.py\nrename to y.py\n"
    done = gate("-", stdin=diff)
    assert (done.exit_code, "without -w" in done.stderr) == (2, True)


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="needs Linux")  # noqa: S108
@pytest.mark.parametrize("suffix", ["", ".txt"])
def test_a_file_in_memory_is_a_file(suffix: str):
    with tempfile.NamedTemporaryFile("w", dir="/dev/shm", suffix=suffix) as file:
        file.write("A note.\n")
        file.flush()
        assert gate(file.name, "--checker", "arithmetic").exit_code == 0
