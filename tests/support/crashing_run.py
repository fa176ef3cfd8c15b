"""Run jobs in forked processes and kill each one at the requested moment.

Reads one JSON job per line from standard input. Prints one result per line: ended, failed or killed.

A job has these keys:

- `how`: ainvoke, invoke, cli, or look (list the record types in the checkpoints);
- `where`, `thread`: the checkpoint file and thread;
- `log`, `out`: the files for the request log and the result;
- `replies`: see `LoggedModel`;
- `durability`: LangGraph's option, or null;
- `kill`: null, or a list: number of new log lines to wait for, further seconds to wait, signal number.

The imports run once, in the parent process.
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
OPTIONS: dict[str, Any] = {
    "num_drafts": 3,
    "num_critiques": 8,
    "max_rounds": 3,
    "seed": 7,
    "patience": 9,
}
SECONDS = 0.004
"""Minimum time for a reply; the maximum is twice that."""


def key_of(messages: list[Any], **options: Any) -> str:
    """Return a key that identifies a request by prompt and options."""
    text = json.dumps([[message.text for message in messages], options])
    return f"{parse_prompt(messages).name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


class LoggedModel(LocalChatModel):
    """Replies deterministically and logs each request and reply.

    `replies` selects its capabilities: "natively" supports n and logprobs, "plainly" supports neither.
    """

    log: Path
    replies: str = "natively"
    seconds: float = SECONDS
    _lock: Lock = PrivateAttr(default_factory=Lock)

    def _generate(
        self, messages: Any, stop: Any = None, run_manager: Any = None, **options: Any
    ) -> Any:
        capabilities = {name: options[name] for name in ("n", "logprobs") if options.get(name)}
        key = key_of(messages, seed=options.get("seed"), **capabilities)
        self.note("ask", key)
        time.sleep(self.seconds * (1 + int(key[-2:], 16) / 255))
        if self.replies == "plainly":
            options |= {"n": 1, "logprobs": False}
        result = super()._generate(messages, stop, run_manager, **options)
        for generation in result.generations:
            generation.message.additional_kwargs["key"] = key
        self.note("reply", key)
        return result

    def sample(self, messages: list[Any], n: int, seed: int | None) -> list[Reply]:
        return [self._reply(messages, (seed or 0) + index) for index in range(n)]

    def _reply(self, messages: list[Any], seed: int) -> Reply:
        prompt = parse_prompt(messages)
        answer = prompt.data.get("answer", "")
        digest = hashlib.sha256(f"{messages[-1].text} {seed}".encode()).hexdigest()
        number = int(digest[:6], 16) / 16**6
        if prompt.name == "generate":
            return Reply(f"round 0, draft {seed}")
        if prompt.name == "classify":
            return _verdict(0.95 - 0.1 * _round_of(answer) - number / 100)
        if prompt.name == "critique":
            return Reply(f"```\n{answer}\n```\nRemark {seed} on {answer}.")
        if prompt.name == "helpfulness":
            return _verdict(0.3 + 0.7 * number)
        return Reply(f"round {_round_of(answer) + 1}, refined {number:.3f}")

    def note(self, event: str, key: str) -> None:
        """Append a line to the log."""
        with self._lock, self.log.open("a") as file:
            file.write(f"{os.getpid()} {event} {key}\n")
            file.flush()
            os.fsync(file.fileno())

    @property
    def _llm_type(self) -> str:
        return "logged"


def _round_of(answer: str) -> int:
    """Parse the round of an answer such as "round 2, refined 0.123"."""
    return int(answer.split()[1][0])


def _verdict(p_yes: float) -> Reply:
    return Reply("Yes" if p_yes > 0.5 else "No", p_yes=p_yes)


def work(job: dict[str, Any]) -> None:
    """Start or resume the loop, and write the result."""
    model = LoggedModel(log=Path(job["log"]), replies=job["replies"])
    if job["how"] == "cli":
        _run_command(job, model)
    elif job["how"] == "look":
        Path(job["out"]).write_text(json.dumps(asyncio.run(_record_types(job))))
    else:
        output = asyncio.run(_run_graph(job, model))
        Path(job["out"]).write_text(
            json.dumps(TypeAdapter(Output).dump_python(output, mode="json"))
        )


def _run_command(job: dict[str, Any], model: LoggedModel) -> None:
    models.PROVIDERS["logged"] = models.Provider("logged", "logs its requests", lambda: model)  # type: ignore[index]
    options = [
        f"--num-drafts={OPTIONS['num_drafts']}",
        f"--num-critiques={OPTIONS['num_critiques']}",
        f"--seed={OPTIONS['seed']}",
        "--max-rounds=3",
        "--json",
        "--quiet",
        "--model=logged",
        f"--checkpoint={job['where']}",
        f"--thread={job['thread']}",
    ]
    with Path(job["out"]).open("w") as file, redirect_stdout(file):
        app(["run", QUESTION, *options], standalone_mode=False)


async def _run_graph(job: dict[str, Any], model: LoggedModel) -> Any:
    async with open_checkpointer(job["where"]) as saver:
        graph = create_self_critique(model=model, **OPTIONS).compile(checkpointer=saver)
        config: Any = {"configurable": {"thread_id": job["thread"]}}
        is_started = bool((await graph.aget_state(config)).values)
        graph_input: Any = None if is_started else {"question": QUESTION}
        options = {"durability": job["durability"]} if job["durability"] else {}
        if job["how"] == "invoke":
            return await asyncio.to_thread(graph.invoke, graph_input, config, **options)
        return await graph.ainvoke(graph_input, config, **options)


async def _record_types(job: dict[str, Any]) -> list[str]:
    """Return `path: type` for each record in the thread's checkpoints."""
    types: set[str] = set()
    async with open_checkpointer(job["where"]) as saver:
        async for saved in saver.alist({"configurable": {"thread_id": job["thread"]}}):
            for name, value in saved.checkpoint["channel_values"].items():
                types.update(_types(name, value))
            for _, name, value in saved.pending_writes or []:
                types.update(_types(name, value))
    return sorted(types)


def _types(path: str, value: Any) -> Iterator[str]:
    if isinstance(value, BaseModel):
        yield f"{path}: {type(value).__name__}"
        value = vars(value)
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _types(f"{path}.{name}", item)
    elif isinstance(value, list):
        for item in value:
            yield from _types(f"{path}[]", item)


def run(job: dict[str, Any], work: Callable[[dict[str, Any]], None] = work) -> str:
    """Fork a process for the job, kill it if requested, and return the result."""
    log = Path(job["log"])
    lines_before = _count_lines(log)
    child = os.fork()
    if child == 0:
        _work_and_exit(job, work)
    if job["kill"] is not None:
        lines, seconds, signal_number = job["kill"]
        while _count_lines(log) < lines_before + lines and not _has_ended(child):
            time.sleep(0.0005)
        time.sleep(seconds)
        os.kill(child, signal_number)
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        return "killed"
    return "ended" if os.waitstatus_to_exitcode(status) == 0 else "failed"


def _work_and_exit(job: dict[str, Any], work: Callable[[dict[str, Any]], None]) -> None:
    # Background jobs of a shell ignore SIGINT.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    exit_code = 0
    try:
        work(job)
    except BaseException:  # noqa: BLE001 - the fork must not continue as the server
        traceback.print_exc()
        exit_code = 1
    sys.stderr.flush()
    os._exit(exit_code)


def _count_lines(log: Path) -> int:
    return len(log.read_bytes().splitlines()) if log.exists() else 0


def _has_ended(child: int) -> bool:
    return os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


if __name__ == "__main__":
    for line in sys.stdin:
        sys.stdout.write(run(json.loads(line)) + "\n")
        sys.stdout.flush()
