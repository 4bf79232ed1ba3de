"""Whether the object store's refusals have met everybody who uses it."""

from collections.abc import Iterator

from tests.chaos.stack import ChaosStack

READERS_AND_WRITERS = ("GET", "HEAD", "PUT")
"""Inputs of calls, the orchestrator's look at what a call has stored, outputs of calls."""


def find_unstruck(stack: ChaosStack, user_id: str) -> Iterator[str]:
    """Yield the methods of requests that were never refused: this run has shown nothing of them."""
    assert stack.objects is not None
    for method in READERS_AND_WRITERS:
        if not stack.objects.refused[method]:
            yield f"no {method} request met the 503: {dict(stack.objects.refused)}"
