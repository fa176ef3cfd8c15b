"""Tests of what a training checks while it runs and before it saves."""

import math

import pytest

from selfcritic.agent.errors import InputError
from selfcritic.agent.training.run import check_finite, check_weights


@pytest.mark.parametrize("logs", [{}, {"loss": 0.0, "grad_norm": 3.0}, {"eval_reward": math.nan}])
def test_finite_losses_pass(logs: dict[str, float]):
    check_finite(3, logs)


@pytest.mark.parametrize("name", ["loss", "grad_norm"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_is_an_error(name: str, value: float):
    with pytest.raises(InputError, match=r"diverged at step 3: .* Lower --learning-rate .* --out"):
        check_finite(3, {name: value})


def test_weights_that_are_not_finite_are_an_error():
    torch = pytest.importorskip("torch", reason="make train-tools")
    model = torch.nn.Linear(2, 2)
    check_weights(model, 4)
    with torch.no_grad():
        model.bias[1] = math.nan
    with pytest.raises(InputError, match="diverged at step 4: bias is not finite"):
        check_weights(model, 4)
    model.requires_grad_(False)
    check_weights(model, 4)
