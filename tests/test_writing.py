"""Test that code and documentation avoid the words banned by the writing rules."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

BANNED_WORDS = (
    r"mend(?:s|ed|ing)?",
    r"told|tells?|telling",
    r"said|says",
    r"anew",
    r"besides",
    r"heeds?|heeded",
    r"stands?|standing",
    r"of (?:its|your|one's|their|our) own",
    r"so many",
    r"whatever",
    r"none of",
    r"(?-i:is none)",  # but not Python's `is None`
    r"at all",
    r"where it is not",
    r"goes? before",
    r"comes? to",
    r"behind",
    r"before it was",
    r"the like",
)
BANNED = re.compile(rf"\b(?:{'|'.join(BANNED_WORDS)})\b", re.IGNORECASE)

PATTERNS = (
    "agent/**/*.py",
    "agent/**/*.md",
    "graphs/**/*.py",
    "prompts/*.py",
    "examples/**/*.py",
    "examples/**/*.md",
    "docs/*.md",
    "README.md",
    "CONTRIBUTING.md",
    "Makefile",
    "pyproject.toml",
)

DATA_WORDS = {
    "agent/checkers/arithmetic/vocabulary.py": {"said", "says"},  # words to look for in answers
    "agent/checkers/verify.py": {"comes to"},  # words that mean equality in comments
    "agent/tasks/alphabetize/claims.py": {"stands"},  # comments that the tiny model was trained on
    "agent/tasks/alphabetize/task.py": {"stands"},  # quotes these comments
    "agent/tasks/functions/task.py": {"says"},  # comments of the oracle
    "agent/tasks/requests.py": {"tell"},  # words that requests use
    "graphs/cli/review/languages.py": {"says"},  # a question sent to the model
}
"""Files where some banned words are data rather than text."""


def checked_files() -> Iterator[Path]:
    for pattern in PATTERNS:
        yield from sorted(ROOT.glob(pattern))


def banned_words(path: Path) -> Iterator[str]:
    """Yield one `file:line: word` for each banned word of a file."""
    name = path.relative_to(ROOT).as_posix()
    data_words = DATA_WORDS.get(name, set())
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
        for match in BANNED.finditer(line):
            word = match.group().lower()
            if word not in data_words:
                yield f"{name}:{number}: {word}"


def test_text_has_no_banned_word():
    findings = [finding for path in checked_files() for finding in banned_words(path)]
    assert not findings, "Use plain words instead (see CONTRIBUTING.md):\n" + "\n".join(findings)


@pytest.mark.parametrize("name", DATA_WORDS)
def test_exempt_words_occur_in_their_file(name: str):
    words = {word.lower() for word in BANNED.findall((ROOT / name).read_text("utf-8"))}
    assert words >= DATA_WORDS[name], f"remove unused words of {name} from DATA_WORDS"


def test_pattern_matches_words_but_not_python_keywords():
    assert BANNED.findall("It Tells you that there is none of its own") == [
        "Tells",
        "is none",
        "of its own",
    ]
    assert not BANNED.search("if value is None or understand(value):")
