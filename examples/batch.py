"""Run a dataset twice with one ledger; the second run sends no requests.

python examples/batch.py [LEDGER]
"""

import asyncio
import sys
import tempfile
from pathlib import Path

from selfcritic.agent import Budget, Context, load
from selfcritic.graphs import create_self_critique, run_batch

ROWS = [
    {"id": "sum 1", "question": "What is 128 + 256?"},
    {"id": "sum 2", "question": "What is 4387 + 8774?"},
    {"id": "sum 3", "question": "What is 90210 + 180420?"},
    {"id": "empty"},  # invalid: has no question
]

ledger = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp(), "ledger.sqlite")
graph = create_self_critique().compile()
context = Context(model=load("simulated", seed=1))

for _ in range(2):
    batch = run_batch(
        graph,
        ROWS,
        context=context,
        ledger=ledger,
        on_result=lambda row: print(f"{row['id']}: {row['answer']} ({row['stop_reason']})"),
        on_error=lambda row: print(f"{row['id']}: invalid. {row['error']}"),
        budget=Budget(calls=200),
    )
    report = asyncio.run(batch)
    print(
        f"{report.finished} finished, {report.resumed} resumed, {report.usage.calls} calls in total\n"
    )
