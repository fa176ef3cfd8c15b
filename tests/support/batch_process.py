"""Run a batch in a process that a test can kill.

python -m tests.support.batch_process URL LEDGER OUT COUNT [CALLS]
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from selfcritic.agent.context import Context
from selfcritic.agent.models.litellm import LiteLLMModel
from selfcritic.agent.schemas import Budget
from selfcritic.graphs import create_self_critique, run_batch


def main(url: str, ledger: str, out: str, count: int, calls: int | None) -> None:
    model = LiteLLMModel(model="openai/fake", api_base=url, api_key="sk-none")
    graph = create_self_critique().compile(name="self_critique")
    context = Context(model=model, num_critiques=1, max_rounds=0)
    with Path(out).open("w") as file:

        def write(result: dict[str, Any]) -> None:
            file.write(json.dumps(result) + "\n")
            file.flush()

        rows = ({"id": f"r{i}", "question": f"Question {i}?"} for i in range(count))
        budget = Budget(calls=calls)
        asyncio.run(
            run_batch(
                graph,
                rows,
                context=context,
                ledger=ledger,
                on_result=write,
                concurrency=4,
                budget=budget,
            )
        )


if __name__ == "__main__":
    url, ledger, out, count, *calls = sys.argv[1:]
    main(url, ledger, out, int(count), int(calls[0]) if calls else None)
