"""Stages of training, from copying lists to the model's own drafts.

1. `copy`: repeat lists. Copying is learned suddenly, at a time that differs between seeds.
2. `edit`: apply comments to shuffled answers. Both warm-ups last until they are learned.
3. `injected flaws`: all roles, on drafts with injected flaws and tasks of growing size.
4. `self-play`: the model's own drafts and critiques, mixed with drafts with injected flaws.
"""

from collections import deque
from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

Stage = Literal["copy", "edit", "injected flaws", "self-play"]
STAGES: tuple[Stage, ...] = get_args(Stage)


class WarmUp(NamedTuple):
    """End of a warm-up stage: a loss, or a share of the budget."""

    max_loss: float
    budget_share: float


WARM_UPS: dict[Stage, WarmUp] = {"copy": WarmUp(0.3, 0.2), "edit": WarmUp(0.3, 0.4)}
LOSS_WINDOW = 100  # steps whose mean loss is compared with `max_loss`
MAX_EDIT_SIZE = 9  # task size in the `edit` warm-up
FULL_SIZE_SHARE = 0.6  # of the budget: tasks reach their full size
SELF_PLAY_SHARE = 0.65  # of the budget: self-play starts
_RATE_WARM_UP_STEPS = 200
_MIN_RATE_SHARE = 0.02


def schedule_rate(step: int, share: float) -> float:
    """Return the share of the learning rate: it rises over 200 steps, then decays linearly to 2%.

    The decay matters because batches are small.

    Args:
        step: Number of finished steps.
        share: Part of the budget that is used up.
    """
    warm_up = min((step + 1) / _RATE_WARM_UP_STEPS, 1.0)
    return warm_up * max(1 - share, _MIN_RATE_SHARE)


class Curriculum:
    """The stage of a run; `position` is the part of the budget that is used up."""

    def __init__(self, budget: float, loss_window: int = LOSS_WINDOW) -> None:
        self.budget = budget
        self.finished: dict[Stage, float] = {}
        """The position at the end of each finished warm-up."""
        self._losses: deque[float] = deque(maxlen=loss_window)

    def stage(self, position: float) -> Stage:
        """Return the current stage."""
        for warm_up in WARM_UPS:
            if warm_up not in self.finished:
                return warm_up
        if position < SELF_PLAY_SHARE * self.budget:
            return "injected flaws"
        return "self-play"

    def record(self, loss: float, position: float) -> None:
        """End a warm-up once it is learned or its budget is used up."""
        self._losses.append(loss)
        stage = self.stage(position)
        if stage not in WARM_UPS:
            return
        warm_up = WARM_UPS[stage]
        num_losses = len(self._losses)
        has_full_window = num_losses == self._losses.maxlen
        is_learned = has_full_window and sum(self._losses) / num_losses < warm_up.max_loss
        if is_learned or position > warm_up.budget_share * self.budget:
            self.finished[stage] = position
            self._losses.clear()

    def max_size(self, position: float, sizes: Sequence[int]) -> int:
        """Return the largest task size after the warm-ups."""
        start = self.finished["edit"]
        end = FULL_SIZE_SHARE * self.budget
        progress = 1.0 if position >= end else (position - start) / (end - start)
        smallest = sizes[0] + 2
        return round(smallest + progress * (sizes[-1] - smallest))
