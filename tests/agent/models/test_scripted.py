"""Reply from lists, mappings, functions and files."""

import asyncio
import json

import pytest
from langchain_core.messages import AIMessage, HumanMessage

from selfcritic import prompts
from selfcritic.agent import load
from selfcritic.agent.errors import InputError, ScriptExhausted
from selfcritic.agent.models.scripted import ScriptedModel

CLASSIFY = prompts.load().render("classify", context="", question="q", answer="a")
GENERATE = prompts.load().render("generate", context="", question="q")


def test_replies_from_a_list_in_order_until_it_ends():
    model = ScriptedModel(script=["one", "two"])
    assert [model.invoke("x").text, model.invoke("y").text] == ["one", "two"]
    with pytest.raises(ScriptExhausted, match="reply number 3"):
        model.invoke("z")


def test_replies_from_a_mapping_by_prompt_name():
    model = ScriptedModel(script={"classify": [0.25], "generate": ["draft"]})
    assert model.invoke(GENERATE).text == "draft"
    assert model.invoke(CLASSIFY).text == "No"
    with pytest.raises(ScriptExhausted, match="for 'classify'"):
        model.invoke(CLASSIFY)


def test_mapping_has_no_reply_for_an_unknown_prompt():
    with pytest.raises(ScriptExhausted, match="no known cue"):
        ScriptedModel(script={"generate": ["draft"]}).invoke("x")


def test_function_receives_the_messages():
    assert (
        ScriptedModel(script=lambda messages: messages[-1].text.upper()).invoke("loud").text
        == "LOUD"
    )


def test_raises_an_exception_and_keeps_the_request():
    model = ScriptedModel(script=[OSError("gone")])
    with pytest.raises(OSError, match="gone"):
        model.invoke("x")
    assert [messages[-1].text for messages in model.requests] == ["x"]


def test_number_is_a_verdict_with_logprobs():
    reply = ScriptedModel(script=[0.8]).invoke("x", logprobs=True)
    first = reply.response_metadata["logprobs"]["content"][0]
    assert reply.text == first["token"] == "Yes"
    assert [option["token"] for option in first["top_logprobs"]] == ["Yes", "No"]


def test_n_replies_take_n_entries_and_count_the_prompt_once():
    result = ScriptedModel(script=["a b", "c"]).generate([[HumanMessage("one two three")]], n=2)
    messages = [generation.message for generation in result.generations[0]]
    assert [message.text for message in messages] == ["a b", "c"]
    assert messages[0].usage_metadata == {"input_tokens": 3, "output_tokens": 3, "total_tokens": 6}
    assert messages[1].usage_metadata is None


def test_streams_the_same_text_and_usage():
    async def streamed():
        return [chunk async for chunk in ScriptedModel(script=["a  long\nreply"]).astream("one")]

    chunks = asyncio.run(streamed())
    assert "".join(chunk.text for chunk in chunks) == "a  long\nreply"
    assert len(chunks) > 3
    assert sum((chunk.usage_metadata or {}).get("output_tokens", 0) for chunk in chunks) == 3


def test_loads_a_script_from_a_file(tmp_path):
    path = tmp_path / "script.json"
    path.write_text(json.dumps({"generate": ["from a file"]}))
    assert load(f"scripted:{path}").invoke(GENERATE).text == "from a file"


@pytest.mark.parametrize("text", ["{", "[[1]]"])
def test_rejects_an_invalid_script_file(tmp_path, text: str):
    path = tmp_path / "script.json"
    path.write_text(text)
    with pytest.raises(InputError, match="cannot be read"):
        load(f"scripted:{path}")


def test_stop_sequence_ends_the_reply():
    assert ScriptedModel(script=["one. two; three"]).invoke("x", stop=[";", "."]).text == "one"


def test_concurrent_requests_take_entries_in_order():
    model = ScriptedModel(script=[str(index) for index in range(200)])

    async def ask_all() -> list[AIMessage]:
        return await asyncio.gather(*(model.ainvoke("x") for _ in range(200)))

    assert [reply.content for reply in asyncio.run(ask_all())] == [
        str(index) for index in range(200)
    ]
