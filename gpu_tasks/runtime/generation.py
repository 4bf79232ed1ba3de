"""Text generation by models of `transformers`, with a callback for each token."""

from collections.abc import Callable
from typing import Any

import torch
from transformers import StoppingCriteria, StoppingCriteriaList


class _TokenCallback(StoppingCriteria):
    def __init__(self, tick: Callable[[int], None]) -> None:
        self._tick = tick

    def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:
        self._tick(input_ids.shape[1])
        return torch.zeros(input_ids.shape[0], dtype=torch.bool, device=input_ids.device)


def build_stopping_criteria(tick: Callable[[int], None]) -> StoppingCriteriaList:
    """Return criteria for ``generate`` that call ``tick`` with the number of tokens.

    ``tick`` may raise to stop the generation.
    """
    return StoppingCriteriaList([_TokenCallback(tick)])
