"""Name the experiments; importing this module needs no extra."""

from typing import Literal

ExperimentName = Literal["self-critique", "critic", "refine", "gdc", "frontier", "review"]
EXPERIMENTS: dict[ExperimentName, str] = {
    "self-critique": "sample answers, and criticize each one",
    "critic": "criticize the answers of the data",
    "refine": "refine answers in several ways at equal calls",
    "gdc": "sample answers for generator, discriminator and critique gaps",
    "frontier": "compare FSBS with best of n critiques",
    "review": "write one critique of each answer per critic",
}
"""What each experiment does."""
