"""Run graphs against a provider that fails at random, and compare the usage with the server's count.

    python -m tests.support.random_faults [--plain 320 --streamed 120 --unlimited 80]

Each run takes one of 8 set-ups and, unless it is unlimited, a budget of 1 to 40 calls. 30% of the requests fail in one
of 21 ways. A run fails if it raises anything but a clean error of the first draft, if its usage differs from the
server's count, or if the server sees more requests than the budget allows.
"""

import argparse
import logging
import random
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

from selfcritic.agent import load
from selfcritic.agent.errors import BudgetExhausted, ModelError
from selfcritic.agent.sampling import capabilities
from selfcritic.agent.schemas import Budget, Retries
from selfcritic.graphs import (
    create_best_of_n,
    create_fsbs,
    create_review,
    create_self_critique,
)
from tests.support import event_loop
from tests.support.fake_provider import BAD_KEY, NO_SUCH_MODEL, FakeProvider, Fault
from tests.support.provider_loop import reply

FAULTS = (
    *(Fault("status", status) for status in (400, 408, 409, 425, 429, 500, 502, 503, 504, 529)),
    Fault("status", 429, retry_after=0.01),
    Fault("status", 429, retry_after="inf"),
    BAD_KEY,
    NO_SUCH_MODEL,
    *(Fault(kind) for kind in ("reset", "truncated", "invalid_json", "no_choices", "null")),
    *(Fault(kind) for kind in ("refusal", "filtered")),
)
RETRIES = Retries(first_wait=0.001, max_wait=0.02, startup_seconds=0)
QUESTION = {"question": "Which city?"}
REVIEW = {"question": "Which city?", "answer": "Lyon 1"}
SETUPS: list[tuple[str, Callable[..., Any], dict[str, Any], dict[str, Any]]] = [
    ("loop", create_self_critique, QUESTION, {"num_critiques": 3}),
    ("speculative", create_self_critique, QUESTION, {"num_critiques": 3, "speculative": True}),
    ("direct", create_self_critique, QUESTION, {"refinement": "direct"}),
    ("drafts", create_self_critique, QUESTION, {"num_drafts": 3, "num_critiques": 2}),
    ("best of n", create_best_of_n, QUESTION, {"num_drafts": 4}),
    ("fsbs", create_fsbs, REVIEW, {"fsbs": {"n": 2, "k": 1, "d": 2}}),
    ("review", create_review, REVIEW, {"num_critiques": 4}),
    ("fallbacks", create_self_critique, QUESTION, {"num_critiques": 2}),
]


def run_once(seed: int, *, is_streamed: bool, has_budget: bool) -> str | None:
    """Return what is wrong with one run, None if nothing is."""
    rng = random.Random(seed)
    name, create, run_input, options = SETUPS[seed % len(SETUPS)]
    budget = Budget(calls=rng.randint(1, 40)) if has_budget else Budget()
    capabilities.forget_all()
    with FakeProvider(
        reply, fault_rate=0.3, mix=FAULTS, seed=seed, n=rng.choice(["honor", "ignore"])
    ) as provider:
        model = load("openai/toy", api_base=provider.url, api_key="none-at-all", timeout=20)
        fallbacks = {}
        if name == "fallbacks":
            backup = load("openai/backup", api_base=provider.url, api_key="none-at-all")
            fallbacks = {"generator": [backup], "critic": [backup], "judge": [backup]}
        graph = create(
            model=model, fallbacks=fallbacks, retries=RETRIES, budget=budget, **options
        ).compile()
        try:
            output = event_loop.run(_run(graph, run_input, is_streamed))
        except (ModelError, BudgetExhausted):
            output = None
        return _compare(name, output, provider, budget)


async def _run(graph: Any, run_input: dict[str, Any], is_streamed: bool) -> Any:
    if not is_streamed:
        return await graph.ainvoke(run_input)
    output = None
    async for mode, event in graph.astream(run_input, stream_mode=["values", "messages"]):
        if mode == "values":
            output = event
    return output


def _compare(name: str, output: Any, provider: FakeProvider, budget: Budget) -> str | None:
    seen = provider.calls()
    if budget.calls is not None and seen > budget.calls:
        return f"{name}: {seen} requests with a budget of {budget.calls}"
    if output is None:
        return None
    usage = output["usage"]
    served = provider.usage()
    counted = (usage.calls, usage.input_tokens, usage.output_tokens)
    expected = (seen, served.input, served.output)
    if counted != expected:
        return f"{name}: calls and tokens {counted} counted, {expected} seen by the server"
    return None


def run_all(count: int, first_seed: int, *, is_streamed: bool, has_budget: bool) -> list[str]:
    """Return the failures of some runs."""
    failures = []
    for seed in range(first_seed, first_seed + count):
        failure = run_once(seed, is_streamed=is_streamed, has_budget=has_budget)
        if failure is not None:
            failures.append(f"seed {seed}, {failure}")
    return failures


def main() -> None:
    """Print how many runs were tried and failed."""
    parser = argparse.ArgumentParser(description="Random faults; usage against the server's count.")
    parser.add_argument("--plain", type=int, default=320)
    parser.add_argument("--streamed", type=int, default=120)
    parser.add_argument("--unlimited", type=int, default=80)
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    areas = [
        ("plain, budget", arguments.plain, 0, False, True),
        ("streamed, budget", arguments.streamed, 1000, True, True),
        ("plain, no budget", arguments.unlimited, 2000, False, False),
    ]
    for area, count, first_seed, is_streamed, has_budget in areas:
        failures = run_all(count, first_seed, is_streamed=is_streamed, has_budget=has_budget)
        kinds = Counter(failure.partition(": ")[2].partition(" (")[0] for failure in failures)
        sys.stdout.write(f"{area}: {count} tried, {len(failures)} failed {dict(kinds) or ''}\n")
        for failure in failures:
            sys.stdout.write(f"  {failure}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
