"""Load the model that rates critiques where no oracle can."""

from typing import TYPE_CHECKING

from selfcritic.agent.context import Context
from selfcritic.graphs.cli.console import check_api_base, load_model

if TYPE_CHECKING:
    from selfcritic.agent.evals.judge import Judge


def load_judge(name: str | None) -> "Judge | None":
    """Return a judge that fills CriticGPT's form, None without a name."""
    if name is None:
        return None
    from selfcritic.agent.evals.judge import Judge

    check_api_base(None, name)
    return Judge(name, Context(model=load_model(name, None)), asks_form=True)
