"""Run an OpenAI-compatible server with a fixed latency.

    python -m examples.benchmarks.server [--latency 0.2] [--no-native-n]

It runs in a separate process, so that its CPU time is not counted. It recognizes each role by the last line of the
prompt. Every verdict is Yes, and all critiques and drafts differ, so the loop never stops early.
"""

import asyncio
import itertools
import math
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from aiohttp import web
from langchain_core.messages import HumanMessage
from pydantic import SecretStr

from selfcritic.agent.models.litellm import LiteLLMModel
from selfcritic.prompts import PromptName, parse_prompt


@contextmanager
def serving(latency: float, native_n: bool = True, url: str | None = None) -> Iterator[str]:
    """Yield `url`, or start a server for the duration of the block."""
    if url is not None:
        yield url
        return
    native_n_option = "--native-n" if native_n else "--no-native-n"
    command = [sys.executable, "-m", __name__, "--latency", str(latency), native_n_option]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None  # noqa: S101 - stdout is a pipe
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def model_at(url: str) -> LiteLLMModel:
    """Return the server's model, with prices so that cost is counted."""
    return LiteLLMModel(
        model="openai/benchmark",
        api_base=url,
        api_key=SecretStr("none"),
        input_cost_per_token=0.0,
        output_cost_per_token=0.0,
    )


def main(
    latency: Annotated[float, typer.Option(min=0, help="Seconds before each reply.")] = 0.2,
    native_n: Annotated[bool, typer.Option(help="Return n replies, or ignore n.")] = True,
) -> None:
    """Serve until terminated; the first line of output is the address."""
    asyncio.run(_serve(latency, native_n))


async def _serve(latency: float, native_n: bool) -> None:
    numbers = itertools.count()

    async def complete(request: web.Request) -> web.Response:
        arrival = time.monotonic()
        body = await request.json()
        completion = create_completion(body, numbers, native_n)
        await asyncio.sleep(arrival + latency - time.monotonic())
        return web.json_response(completion)

    app = web.Application()
    app.router.add_post("/v1/chat/completions", complete)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=4096).start()
    port = runner.addresses[0][1]
    print(f"http://127.0.0.1:{port}/v1", flush=True)
    await asyncio.Event().wait()


def create_completion(
    body: dict[str, Any], numbers: Iterator[int], native_n: bool
) -> dict[str, Any]:
    """Return a reply to a request; `numbers` makes the replies differ."""
    instruction = HumanMessage(str(body["messages"][-1]["content"]))
    prompt_name = parse_prompt([instruction]).name
    count = body.get("n", 1) if native_n else 1
    choices = []
    for index in range(count):
        text, p_yes = _reply(prompt_name, next(numbers))
        choices.append(_choice(index, text, p_yes))
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": body["model"],
        "choices": choices,
        "usage": {
            "prompt_tokens": 300,
            "completion_tokens": 20 * count,
            "total_tokens": 300 + 20 * count,
        },
    }


def _reply(prompt_name: PromptName | None, number: int) -> tuple[str, float | None]:
    """Return the text of a reply, and P(Yes) if it is a verdict."""
    match prompt_name:
        case "classify" | "helpfulness":
            return "Yes", 0.9
        case "critique":
            return f"```\ncapital\n```\n[high] Remark {number}: the year is missing.", None
    return f"The capital is Lyon, according to source {number}.", None


def _choice(index: int, text: str, p_yes: float | None) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    logprobs = None
    if p_yes is not None:
        yes, no = _logprob("Yes", p_yes), _logprob("No", 0.1)
        logprobs = {"content": [{**yes, "top_logprobs": [yes, no]}]}
    return {"index": index, "message": message, "finish_reason": "stop", "logprobs": logprobs}


def _logprob(token: str, probability: float) -> dict[str, Any]:
    return {"token": token, "logprob": math.log(probability), "bytes": None}


if __name__ == "__main__":
    typer.run(main)
