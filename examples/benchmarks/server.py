"""An OpenAI-compatible server of fixed latency, in a process of its own so that its CPU is not the loop's.

    python -m examples.benchmarks.server [--latency 0.2] [--no-native-n]

It knows the loop's parts by their cues and keeps the loop busy: every draft has a flaw, critiques and drafts differ.
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
from pydantic import SecretStr

from selfcritic.agent.models.litellm import LiteLLMModel


@contextmanager
def serving(latency: float, native_n: bool = True, url: str | None = None) -> Iterator[str]:
    """The address of a server: a fresh one's, which ends with the block, or the one that was given."""
    if url is not None:
        yield url
        return
    command = [sys.executable, "-m", __name__, "--latency", str(latency), "--native-n" if native_n else "--no-native-n"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None  # noqa: S101 - it was asked for
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def model_at(url: str) -> LiteLLMModel:
    """The model that a server at this address serves; a price for it, so that cost is counted as for any other."""
    return LiteLLMModel(
        model="openai/benchmark",
        api_base=url,
        api_key=SecretStr("none"),
        input_cost_per_token=0.0,
        output_cost_per_token=0.0,
    )


def main(
    latency: Annotated[float, typer.Option(min=0, help="Seconds before each reply.")] = 0.2,
    native_n: Annotated[bool, typer.Option(help="Whether n is honoured, or ignored.")] = True,
) -> None:
    """Serve until ended; the address is the first line of the output."""
    asyncio.run(_serve(latency, native_n))


async def _serve(latency: float, native_n: bool) -> None:
    numbers = itertools.count()

    async def complete(request: web.Request) -> web.Response:
        arrived = time.monotonic()
        critique_text = await request.json()
        cue = str(critique_text["messages"][-1]["content"]).rsplit("\n", 1)[-1]
        count = critique_text.get("n", 1) if native_n else 1
        choices = [_choice(index, *_reply(cue, next(numbers))) for index in range(count)]
        usage = {"prompt_tokens": 300, "completion_tokens": 20 * count, "total_tokens": 300 + 20 * count}
        reply = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": critique_text["model"],
        }
        await asyncio.sleep(arrived + latency - time.monotonic())
        return web.json_response({**reply, "choices": choices, "usage": usage})

    app = web.Application()
    app.router.add_post("/v1/chat/completions", complete)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=4096).start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}/v1", flush=True)
    await asyncio.Event().wait()


def _reply(cue: str, number: int) -> tuple[str, float | None]:
    """What a part says; of a verdict, P(Yes) too."""
    match cue:
        case "Critiqueable:" | "Helpful:":
            return "Yes", 0.9
        case "Critique:":
            return f"```\ncapital\n```\n[high] Remark {number}: the year is missing.", None
    return f"The capital is Lyon, as source {number} says.", None


def _choice(index: int, text: str, verdict: float | None) -> dict[str, Any]:
    logprobs = None
    if verdict is not None:
        options = [{"token": t, "logprob": math.log(p), "bytes": None} for t, p in (("Yes", verdict), ("No", 0.1))]
        logprobs = {"content": [{**options[0], "top_logprobs": options}]}
    message = {"role": "assistant", "content": text}
    return {"index": index, "message": message, "finish_reason": "stop", "logprobs": logprobs}


if __name__ == "__main__":
    typer.run(main)
