"""A data set through the loop: a ledger keeps what is done, so the second call pays for nothing.

python examples/batch.py [LEDGER]
"""

import asyncio
import sys
import tempfile
from pathlib import Path

from selfcritic.agent import Budget, load
from selfcritic.graphs import create_self_critique, run_batch

ROWS = [{"id": f"sum {n}", "question": f"What is {n} + {2 * n}?"} for n in (128, 4387, 90_210)] + [{"id": "empty"}]


async def main(ledger: Path) -> None:
    """Run the rows twice with one ledger."""
    graph = create_self_critique(model=load("simulated", seed=1)).compile()
    for _ in range(2):
        report = await run_batch(
            graph,
            ROWS,
            ledger=ledger,
            on_result=lambda result: print(f"{result['id']}: {result['answer']} ({result['stop_reason']})"),
            on_error=lambda bad: print(f"{bad['id']}: set aside. {bad['error']}"),
            budget=Budget(calls=200),
        )
        print(f"{report.finished} done, {report.resumed} done before; {report.usage.calls} calls in all\n")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp(), "ledger.sqlite")))
