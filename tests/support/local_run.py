"""Run the loop on the local model in a process that can be killed, with a log of engine requests.

Usage: python -m tests.support.local_run DATABASE LOG RESULT

The log has a line when a request starts and when it is done, with a key that identifies it.
"""

import asyncio
import hashlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from selfcritic.agent.models.llama_cpp_engine import Engine
from selfcritic.graphs import create_self_critique
from selfcritic.graphs.checkpoints import open_checkpointer
from tests.support.local_model import local_model

QUESTION = "What is the capital of Australia?"
OPTIONS: dict[str, Any] = {
    "num_critiques": 2,
    "max_rounds": 1,
    "accept_threshold": 0.0,
    "helpful_threshold": 0.0,
    "allow_ungrounded": True,
    "seed": 1,
}
"""No draft is accepted and any critique is used, so that every step of the loop runs."""


def log_requests(log: Path) -> None:
    """Make all engines log their requests."""
    complete = Engine.complete

    def logged(
        self: Engine, request: dict[str, Any], on_chunk: Callable[[dict[str, Any]], bool]
    ) -> None:
        content = json.dumps(request, sort_keys=True)
        key = hashlib.sha256(content.encode()).hexdigest()[:12]
        write(log, f"start {key}")
        complete(self, request, on_chunk)
        write(log, f"done {key}")

    Engine.complete = logged  # type: ignore[method-assign]


def write(log: Path, line: str) -> None:
    with log.open("a") as file:
        file.write(f"{line}\n")
        file.flush()
        os.fsync(file.fileno())


async def run(database: str) -> dict[str, Any]:
    model = local_model(stop=["."])
    config: Any = {"configurable": {"thread_id": "t"}}
    async with open_checkpointer(database) as saver:
        graph = create_self_critique(model=model, **OPTIONS).compile(checkpointer=saver)
        snapshot = await graph.aget_state(config)
        graph_input = None if snapshot.next else {"question": QUESTION}
        output = await graph.ainvoke(graph_input, config, durability="sync")
    usage: dict[str, Any] = output["usage"].model_dump()
    return usage


if __name__ == "__main__":
    log_requests(Path(sys.argv[2]))
    Path(sys.argv[3]).write_text(json.dumps(asyncio.run(run(sys.argv[1]))))
