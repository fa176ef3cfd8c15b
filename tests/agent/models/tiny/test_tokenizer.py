"""Every text of known characters comes back from its tokens."""

from hypothesis import given
from hypothesis import strategies as st

from selfcritic.agent.models.tiny.tokenizer import UNKNOWN, Tokenizer

TOKENS = Tokenizer.train(["Sort: pear, apple"] * 3, ["pear", "apple"], at_least=3)


def test_a_comma_between_words_goes_without_saying_and_phrases_are_one_token():
    assert TOKENS.encode("Sort: pear, apple") == ["Sort: ", "pear", "apple"]


@given(st.lists(st.sampled_from(["pear", "apple", ", ", ",", " ", "\n", "Sort: ", "7", "pears", "<end>"])).map("".join))
def test_what_was_encoded_comes_back(text: str):
    assert TOKENS.decode(TOKENS.encode(text)) == text


def test_a_strange_character_is_unknown():
    assert TOKENS.encode("é") == [UNKNOWN]
