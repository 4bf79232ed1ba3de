"""Text that models of `transformers` generate, watched token by token."""

from collections.abc import Callable
from typing import Any

import torch
from transformers import StoppingCriteria, StoppingCriteriaList


class _Watch(StoppingCriteria):
    def __init__(self, tick: Callable[[int], None]) -> None:
        self._tick = tick

    def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:
        self._tick(input_ids.shape[1])
        return torch.zeros(input_ids.shape[0], dtype=torch.bool, device=input_ids.device)


def watched_by(tick: Callable[[int], None]) -> StoppingCriteriaList:
    """For ``generate``: ``tick`` is told how many tokens there are, and may raise to stop."""
    return StoppingCriteriaList([_Watch(tick)])
