"""Tamper with additions in a process that a test can kill.

python -m tests.support.tamper_process FOLDER [CALLS]

Each sample of the critic appends its prompt to FOLDER/requests; a request takes three samples.
"""

import asyncio
import json
import sys
import time
from pathlib import Path

from langchain_core.messages import BaseMessage

from selfcritic.agent.context import Context
from selfcritic.agent.data.files import write_records
from selfcritic.agent.data.readers import load_answers
from selfcritic.agent.data.tampering.plan import PlanOptions, plan_items
from selfcritic.agent.models.scripted import ScriptedModel
from selfcritic.agent.schemas import Budget
from selfcritic.graphs.batch.tamper import TamperReport, run_tamper
from selfcritic.graphs.tamper_nodes import TamperOptions

NUM_TASKS = 12
SECONDS_PER_REQUEST = 0.05


def main(folder: Path, calls: int | None) -> None:
    def reply(messages: list[BaseMessage]) -> str:
        with (folder / "requests").open("a") as file:
            file.write(json.dumps(str(messages)) + "\n")
        time.sleep(SECONDS_PER_REQUEST)
        return "No flaw."

    plan = PlanOptions(per_answer=1, clean_share=0.0, max_bugs=1)
    items = plan_items(load_answers("addition", count=NUM_TASKS), plan)
    report = TamperReport(len(items))
    run = run_tamper(
        items,
        report,
        plan=plan,
        tampering=TamperOptions(),
        context=Context(critic=ScriptedModel(script=reply)),
        ledger=folder / "ledger",
        budget=Budget(calls=calls),
    )
    asyncio.run(run)
    write_records(folder / "out.jsonl", report.records(items))


if __name__ == "__main__":
    folder, *calls = sys.argv[1:]
    main(Path(folder), int(calls[0]) if calls else None)
