"""Tests of the tiny model's tokenizer."""

from hypothesis import given
from hypothesis import strategies as st

from selfcritic.agent.models.tiny.tokenizer import UNKNOWN, Tokenizer

TOKENIZER = Tokenizer.train(["Sort: pear, apple"] * 3, ["pear", "apple"], min_count=3)
PIECES = ["pear", "apple", ", ", ",", " ", "\n", "Sort: ", "7", "pears", "<end>"]


def test_phrases_are_one_token_and_commas_between_words_are_implicit():
    assert TOKENIZER.encode("Sort: pear, apple") == ["Sort: ", "pear", "apple"]


@given(st.lists(st.sampled_from(PIECES)).map("".join))
def test_decoding_restores_the_text(text: str):
    assert TOKENIZER.decode(TOKENIZER.encode(text)) == text


def test_unknown_characters_become_the_unknown_token():
    assert TOKENIZER.encode("é") == [UNKNOWN]
