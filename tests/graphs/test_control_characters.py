"""Characters that change or hide what a terminal shows are printed as symbols or code points."""

import unicodedata

import pytest

from selfcritic.graphs.control_characters import escape_controls, escape_lines

LINE_BREAKING = {"Cc", "Zl", "Zp", "Cs"}
BIDIRECTIONAL = {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}
MARKS = "\u061c\u200e\u200f"


def can_control(char: str) -> bool:
    is_control = unicodedata.category(char) in LINE_BREAKING
    return is_control or unicodedata.bidirectional(char) in BIDIRECTIONAL or char in MARKS


@pytest.mark.parametrize("escape", [escape_controls, escape_lines])
def test_no_character_can_control_the_terminal(escape):
    kept = {"\t"} if escape is escape_controls else {"\t", "\n"}
    for code in range(0x110000):
        char = chr(code)
        if can_control(char):
            assert (escape(f"a{char}b") == f"a{char}b") == (char in kept), hex(code)


def test_escaped_characters_are_named():
    assert escape_lines("a\u2028b\u200fc\x1b") == "a<U+2028>b<U+200F>c␛"
    assert escape_lines("naïve 日本 👩‍👩‍👧 \u05d0\u0627") == "naïve 日本 👩‍👩‍👧 \u05d0\u0627"
