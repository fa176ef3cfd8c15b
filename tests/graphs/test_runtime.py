"""The same nodes run under `invoke` and `ainvoke`."""

import asyncio
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

from selfcritic.agent.models.scripted import ScriptedModel
from selfcritic.graphs import create_self_critique

QUESTION = {"question": "The capital?"}


def graph():
    return create_self_critique(
        model=ScriptedModel(script={"generate": ["Paris"], "classify": [0.1]})
    ).compile()


def test_invoke_from_many_threads():
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: graph().invoke(QUESTION)["answer"], range(100)))
    assert answers == ["Paris"] * 100


def test_sync_runs_share_one_thread():
    before = threading.active_count()
    for _ in range(20):
        graph().invoke(QUESTION)
    assert sum(thread.name == "selfcritic" for thread in threading.enumerate()) == 1
    assert threading.active_count() <= before + 10


def test_a_hundred_concurrent_graphs():
    async def run():
        return await asyncio.gather(*(graph().ainvoke(QUESTION) for _ in range(100)))

    assert [output["answer"] for output in asyncio.run(run())] == ["Paris"] * 100


def test_a_program_that_calls_invoke_exits_cleanly():
    program = (
        "from selfcritic.graphs import create_self_critique\n"
        "graph = create_self_critique(model='simulated?draft_error_rate=0&false_alarm_rate=0').compile()\n"
        "print(graph.invoke({'question': '2 + 2 ='})['answer'])"
    )
    done = subprocess.run(
        [sys.executable, "-W", "default", "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("4\n", "")
