"""Muon for stacked matrices: `torch.optim.Muon`, for many matrices at once."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

_MOMENTUM = 0.95
_WEIGHT_DECAY = 0.01
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_NUM_STEPS = 5
_MIN_NORM = 1e-7


class StackedMuon(torch.optim.Optimizer):
    """Orthogonalized momentum for weights (decoders, rows, columns), with AdamW's learning rates."""

    def __init__(self, weights: Sequence[Tensor], learning_rate: float = 1e-3) -> None:
        super().__init__(list(weights), {"lr": learning_rate})

    def step(self, closure: Any = None) -> None:
        """Update the weights; weights of equal shape are orthogonalized together."""
        if closure is not None:
            raise ValueError("StackedMuon takes no closure.")
        with torch.no_grad():
            self._update_weights()

    def _update_weights(self) -> None:
        for group in self.param_groups:
            by_shape: dict[tuple[int, ...], list[Tensor]] = {}
            for weight in group["params"]:
                by_shape.setdefault(tuple(weight.shape), []).append(weight)
            for (_, rows, columns), weights in by_shape.items():
                updates = torch.cat([self._update(weight) for weight in weights])
                directions = orthogonalize(updates).to(weights[0].dtype).chunk(len(weights))
                rate = group["lr"] * 0.2 * math.sqrt(max(rows, columns))
                torch._foreach_mul_(weights, 1 - group["lr"] * _WEIGHT_DECAY)
                torch._foreach_add_(weights, list(directions), alpha=-rate)

    def _update(self, weight: Tensor) -> Tensor:
        """Return the Nesterov momentum of the gradient."""
        state = self.state[weight]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(weight)
        momentum = state["momentum"].lerp_(weight.grad, 1 - _MOMENTUM)
        update: Tensor = weight.grad.lerp(momentum, _MOMENTUM)
        return update


def orthogonalize(matrices: Tensor) -> Tensor:
    """Replace the singular values of matrices (count, rows, columns) by values near 1.

    Uses five Newton-Schulz iterations in bfloat16 (Jordan et al. 2024, Muon).
    """
    a, b, c = _COEFFICIENTS
    is_tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.bfloat16()
    if is_tall:
        x = x.mT
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=_MIN_NORM)
    for _ in range(_NUM_STEPS):
        gram = torch.bmm(x, x.mT)
        polynomial = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        x = torch.baddbmm(x, polynomial, x, beta=a)
    return x.mT if is_tall else x
