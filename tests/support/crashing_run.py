"""Runs of the loop that are killed: a warm process that forks one a job, and kills it where the job says so.

Each line on standard input is a job in JSON, each line on standard output what became of it: ended,
failed or killed.
A job: how (ainvoke, invoke, cli or look), where, thread, log, out, replies, durability, kill (log lines, then seconds,
then the signal).
"""

import asyncio
import hashlib
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from pathlib import Path
from threading import Lock
from typing import Any

from pydantic import BaseModel, PrivateAttr, TypeAdapter

from selfcritic.agent import models
from selfcritic.agent.models.base import LocalChatModel, Reply
from selfcritic.agent.state import Output
from selfcritic.graphs import create_self_critique
from selfcritic.graphs.checkpoints import open_checkpointer
from selfcritic.graphs.cli.app import app
from selfcritic.prompts import parse_prompt

QUESTION = "How far is the moon?"
OPTIONS: dict[str, Any] = {"num_drafts": 3, "num_critiques": 8, "max_rounds": 3, "seed": 7, "patience": 9}
SECONDS = 0.004
"""A reply takes so long, and up to twice as long."""


def key_of(messages: list[Any], **options: Any) -> str:
    """Tells a request from all others: its role, its prompt, its options."""
    text = json.dumps([[message.text for message in messages], options])
    return f"{parse_prompt(messages).name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


class LoggedModel(LocalChatModel):
    """Replies by what it is asked alone, and writes down every request and every reply for good.

    `replies` is what it can do: "natively" n and log-probs, "plainly" neither.
    """

    log: Path
    replies: str = "natively"
    seconds: float = SECONDS
    _lock: Lock = PrivateAttr(default_factory=Lock)

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **options: Any) -> Any:
        asked = {name: options[name] for name in ("n", "logprobs") if options.get(name)}
        key = key_of(messages, seed=options.get("seed"), **asked)
        self.note("ask", key)
        time.sleep(self.seconds * (1 + int(key[-2:], 16) / 255))
        if self.replies == "plainly":
            options |= {"n": 1, "logprobs": False}
        result = super()._generate(messages, stop, run_manager, **options)
        for generation in result.generations:
            generation.message.additional_kwargs["key"] = key
        self.note("reply", key)
        return result

    def draw(self, messages: list[Any], n: int, seed: int | None) -> list[Reply]:
        return [self._reply(messages, (seed or 0) + index) for index in range(n)]

    def _reply(self, messages: list[Any], seed: int) -> Reply:
        reading = parse_prompt(messages)
        answer = reading.data.get("answer", "")
        number = int(hashlib.sha256(f"{messages[-1].text} {seed}".encode()).hexdigest()[:6], 16) / 16**6
        if reading.name == "generate":
            return Reply(f"round 0, draft {seed}")
        if reading.name == "classify":
            return _verdict(0.95 - 0.1 * int(answer.split()[1][0]) - number / 100)
        if reading.name == "critique":
            return Reply(f"```\n{answer}\n```\nRemark {seed} on {answer}.")
        if reading.name == "helpfulness":
            return _verdict(0.3 + 0.7 * number)
        return Reply(f"round {int(answer.split()[1][0]) + 1}, mended {number:.3f}")

    def note(self, what: str, key: str) -> None:
        """Add a line to the log."""
        with self._lock, self.log.open("a") as file:
            file.write(f"{os.getpid()} {what} {key}\n")
            file.flush()
            os.fsync(file.fileno())

    @property
    def _llm_type(self) -> str:
        return "logged"


def _verdict(p_yes: float) -> Reply:
    return Reply("Yes" if p_yes > 0.5 else "No", p_yes=p_yes)


def work(job: dict[str, Any]) -> None:
    """Run the loop to its end, or on to it."""
    model = LoggedModel(log=Path(job["log"]), replies=job["replies"])
    if job["how"] == "cli":
        models.PROVIDERS["logged"] = models.Provider("logged", "writes all down", lambda: model)  # type: ignore[index]
        options = [f"--{name.replace('_', '-')}={OPTIONS[name]}" for name in ("num_drafts", "num_critiques", "seed")]
        options += ["--max-rounds=3", "--json", "--quiet", "--model=logged"]
        with Path(job["out"]).open("w") as file, redirect_stdout(file):
            options += ["--checkpoint", job["where"], "--thread", job["thread"]]
            app(["run", QUESTION, *options], standalone_mode=False)
        return
    if job["how"] == "look":
        Path(job["out"]).write_text(json.dumps(asyncio.run(_look(job))))
        return
    output = asyncio.run(_python(job, model))
    Path(job["out"]).write_text(json.dumps(TypeAdapter(Output).dump_python(output, mode="json")))


async def _python(job: dict[str, Any], model: LoggedModel) -> Any:
    async with open_checkpointer(job["where"]) as saver:
        graph = create_self_critique(model=model, **OPTIONS).compile(checkpointer=saver)
        config: Any = {"configurable": {"thread_id": job["thread"]}}
        given: Any = None if (await graph.aget_state(config)).values else {"question": QUESTION}
        more = {"durability": job["durability"]} if job["durability"] else {}
        if job["how"] == "invoke":
            return await asyncio.to_thread(graph.invoke, given, config, **more)
        return await graph.ainvoke(given, config, **more)


async def _look(job: dict[str, Any]) -> list[str]:
    """The types of all that a thread's checkpoints hold, each path within with the type's name."""
    found: set[str] = set()
    async with open_checkpointer(job["where"]) as saver:
        async for one in saver.alist({"configurable": {"thread_id": job["thread"]}}):
            for name, value in one.checkpoint["channel_values"].items():
                found |= set(_types(name, value))
            for _, name, value in one.pending_writes or []:
                found |= set(_types(name, value))
    return sorted(found)


def _types(path: str, value: Any) -> Iterator[str]:
    if isinstance(value, BaseModel):
        yield f"{path}: {type(value).__name__}"
    inside = vars(value) if isinstance(value, BaseModel) else value
    if isinstance(inside, dict):
        for name, one in inside.items():
            yield from _types(f"{path}.{name}", one)
    elif isinstance(inside, list):
        for one in inside:
            yield from _types(f"{path}[]", one)


def run(job: dict[str, Any], work: Callable[[dict[str, Any]], None] = work) -> str:
    """Fork the job's process, and kill it at the job's moment."""
    log = Path(job["log"])
    before = len(log.read_bytes().splitlines()) if log.exists() else 0
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job would ignore it
        try:
            work(job)
            code = 0
        except BaseException:  # noqa: BLE001 - the forked copy must not go on as the server
            traceback.print_exc()
            code = 1
        sys.stderr.flush()
        os._exit(code)
    if job["kill"] is not None:
        lines, seconds, how = job["kill"]
        while (not log.exists() or len(log.read_bytes().splitlines()) < before + lines) and not _has_ended(child):
            time.sleep(0.0005)
        time.sleep(seconds)
        os.kill(child, how)
    status = os.waitpid(child, 0)[1]
    return "killed" if os.WIFSIGNALED(status) else "ended" if os.waitstatus_to_exitcode(status) == 0 else "failed"


def _has_ended(child: int) -> bool:
    return os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


if __name__ == "__main__":
    for line in sys.stdin:
        sys.stdout.write(run(json.loads(line)) + "\n")
        sys.stdout.flush()
