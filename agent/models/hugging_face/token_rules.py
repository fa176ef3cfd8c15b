"""Forbid tokens that a reply may contain only if its prompt does.

The tiny decoder is only a model together with this rule. Other models have no such tokens.
"""

from collections.abc import Sequence
from typing import Any

FORBIDDEN_LOGIT = -1e9
"""Not minus infinity, with which the entropy would be NaN."""


class PromptOnlyTokens:
    """A logits processor of transformers, and a mask for log-probs."""

    def __init__(self, token_ids: Sequence[int]) -> None:
        self.token_ids = list(token_ids)

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """Return the scores of the next token, shape (rows, vocabulary)."""
        return scores.masked_fill(self.find_forbidden(input_ids, scores.shape[-1]), FORBIDDEN_LOGIT)

    def find_forbidden(self, input_ids: Any, vocabulary_size: int) -> Any:
        """Return which tokens each row may not contain, shape (rows, vocabulary).

        A row may be a prompt alone, or with its reply: by the rule, both have the same tokens.
        """
        import torch

        rows = input_ids.shape[0]
        device = input_ids.device
        forbidden = torch.zeros(rows, vocabulary_size, dtype=torch.bool, device=device)
        forbidden[:, self.token_ids] = True
        present = torch.zeros_like(forbidden)
        present.scatter_(1, input_ids, value=True)
        return forbidden & ~present
