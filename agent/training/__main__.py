"""`python -m selfcritic.agent.training FAMILY FOLDER`: train, or go on training, one decoder."""

import argparse
import sys
from pathlib import Path

from selfcritic.agent.training.documents import TRAINED
from selfcritic.agent.training.loop import Plan, train


def _tell(text: str) -> None:
    sys.stderr.write(text + "\n")


def main() -> None:
    """Read the plan from the command line and train by it."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("family", choices=sorted(TRAINED))
    asked.add_argument("folder", type=Path, help="for checkpoints and the exported model")
    asked.add_argument("--size", default=Plan.size)
    asked.add_argument("--tokens", type=int, default=Plan.tokens)
    asked.add_argument("--seed", type=int, default=Plan.seed)
    asked.add_argument("--minutes", type=float, help="stop after so long, to go on later")
    told = asked.parse_args()
    plan = Plan(told.family, told.size, told.tokens, told.seed)
    sys.stdout.write(f"{train(plan, told.folder, told.minutes, _tell)}\n")


if __name__ == "__main__":
    main()
