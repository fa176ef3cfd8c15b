"""Choose the model that can handle a question, and its options."""

import importlib.util
from typing import NamedTuple

from examples.benchmarks.tiny_arms import ACCEPT_THRESHOLD, MAX_APPLIED, loop_context
from selfcritic.agent import load
from selfcritic.agent.context import Context
from selfcritic.agent.models import smollm2
from selfcritic.agent.models.tiny.model import SHIPPED, TinyModel
from selfcritic.agent.tasks import TASKS, Alphabetize, parse_task

SMOLLM2 = "local:smollm2?n_ctx=2048&slots=4"
TINY_NOTE = "tiny: a real 1 MB language model that was trained to sort words."
SIMULATED_NOTE = "simulated: a noisy solver with error rates set by hand, not a language model."
SMOLLM2_NOTE = (
    "smollm2: a real chat model of 135 million parameters. It is too small to judge or criticize "
    "its answers: expect mistakes, and critiques that quote nothing."
)
INSTALL_SMOLLM2 = "pip install 'selfcritic[local]' && selfcritic models pull smollm2"


class ModelChoice(NamedTuple):
    """A model spec and a sentence about it."""

    spec: str
    note: str


def choose_model(question: str) -> ModelChoice | None:
    """Choose the offline model that can handle a question; None without a suitable one.

    Raises:
        InputError: the question is a task that is too large.
    """
    task = parse_task(question)
    if isinstance(task, Alphabetize):
        unknown = TinyModel().unknown_words(task)
        if not unknown:
            return ModelChoice("tiny", TINY_NOTE)
        note = f"tiny does not know the word '{unknown[0]}', so another model answers.\n"
        return ModelChoice("simulated", note + SIMULATED_NOTE)
    if task is not None:
        return ModelChoice("simulated", SIMULATED_NOTE)
    if is_smollm2_installed():
        return ModelChoice(SMOLLM2, SMOLLM2_NOTE)
    return None


def is_smollm2_installed() -> bool:
    """Check for the package and the weights of `local:smollm2`."""
    return importlib.util.find_spec("xllamacpp") is not None and smollm2.find() is not None


def explain_refusal() -> str:
    """List what the demo can answer without a download, and how to get more."""
    lines = ["No installed model can answer this question. You can:"]
    lines.append('- choose a model: make demo TASK="…" MODEL=openai/gpt-5-mini')
    lines.append(f"- add a small model that runs offline: {INSTALL_SMOLLM2}")
    lines.append("- ask for one of these tasks:")
    lines += [f"    {task_type.name}: {task_type.example}" for task_type in TASKS]
    return "\n".join(lines)


def context_for(spec: str, seed: int | None) -> Context:
    """Return options that suit a model.

    Raises:
        UnknownModelError: the spec does not name a model.
    """
    name = spec.partition("?")[0]
    if name == "tiny":
        return loop_context(
            SHIPPED, ACCEPT_THRESHOLD, critiques_per_refinement=MAX_APPLIED, seed=seed
        )
    model = load(spec)
    if name == "simulated":
        return Context(model=model, seed=seed)
    if name.startswith("local:"):
        limits = {"generator": 64, "critic": 64, "judge": 4, "refiner": 64}
        return Context(
            model=model,
            seed=seed,
            prompts="plain",
            num_critiques=3,
            max_rounds=1,
            max_output_tokens=limits,
        )
    return Context(model=model, seed=seed, num_critiques=3, max_rounds=2)
