"""Replies with unpaired surrogates, which UTF-8 cannot encode."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage

from selfcritic.agent.models.normalize import normalize_reply
from selfcritic.agent.models.surrogates import replace_surrogates
from selfcritic.graphs.checkpoints import serializer


@given(st.text(st.characters(codec=None, exclude_categories=[])))
def test_every_text_can_be_encoded(text: str):
    clean = replace_surrogates(text)
    clean.encode()
    if not any("\ud800" <= char <= "\udfff" for char in text):
        assert clean == text


@pytest.mark.parametrize(
    ("text", "clean"), [("a\ud800b", "a\ufffdb"), ("\ud83d\ude00", "😀"), ("Zoë", "Zoë")]
)
def test_replaces_only_unpaired_surrogates(text: str, clean: str):
    assert replace_surrogates(text) == clean


def test_a_reply_can_be_saved():
    logprobs: Any = {"content": [{"token": "\ud800", "logprob": -0.1, "top_logprobs": []}]}
    reply = AIMessage("DRAFT \ud800", response_metadata={"logprobs": logprobs})
    clean = normalize_reply(reply)
    assert clean.text == "DRAFT \ufffd"
    assert serializer().loads_typed(serializer().dumps_typed(clean)) == clean
