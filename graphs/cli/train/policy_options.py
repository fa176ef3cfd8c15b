"""Options of GRPO."""

from dataclasses import dataclass
from typing import Annotated, Any

import typer

_GRPO = "GRPO"


@dataclass(frozen=True)
class PolicyOptions:
    """Options of GRPO that `train policy` and `train all` share."""

    iterations: Annotated[
        int,
        typer.Option(
            min=1, help="Updates per batch; 1 never clips.", metavar="N", rich_help_panel=_GRPO
        ),
    ] = 2
    beta: Annotated[
        float,
        typer.Option(
            min=0, help="Weight of the KL divergence.", metavar="X", rich_help_panel=_GRPO
        ),
    ] = 0.05
    grounded_weight: Annotated[
        float,
        typer.Option(min=0, help="Reward for grounded quotes.", metavar="X", rich_help_panel=_GRPO),
    ] = 0.2
    patience: Annotated[
        int,
        typer.Option(
            min=1,
            help="Falls of truth while the reward rises.",
            metavar="N",
            rich_help_panel=_GRPO,
        ),
    ] = 3
    oracle: Annotated[
        bool,
        typer.Option("--oracle", help="Train on the oracle: a ceiling.", rich_help_panel=_GRPO),
    ] = False
    keep_last: Annotated[
        bool,
        typer.Option(
            "--keep-last", help="Keep the last policy, not the best.", rich_help_panel=_GRPO
        ),
    ] = False
    vllm: Annotated[
        bool, typer.Option("--vllm", help="Sample with vLLM on the GPU.", rich_help_panel=_GRPO)
    ] = False

    def to_fields(self) -> dict[str, Any]:
        """Return the fields of the policy's settings."""
        return {
            "iterations": self.iterations,
            "beta": self.beta,
            "grounded_weight": self.grounded_weight,
            "patience": self.patience,
            "trains_on": "truth" if self.oracle else "proxy",
            "keeps": "last" if self.keep_last else "best",
            "uses_vllm": self.vllm,
        }
