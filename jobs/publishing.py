"""Wake-ups on their way: which chain goes to which queue."""

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from celery import chain
from celery.canvas import Signature
from django.conf import settings
from kombu.exceptions import OperationalError as BrokerError
from redis.exceptions import RedisError

from jobs import tasks
from jobs.features.registry import features
from jobs.models import AttemptState

logger = logging.getLogger(__name__)

COMPLETED_QUEUE = "jobs.completed"
FAILED_QUEUE = "jobs.failed"

CHAINS = {
    AttemptState.QUEUED: (tasks.prepare, tasks.dispatch),
    AttemptState.PREPARED: (tasks.dispatch,),
    AttemptState.REPORTED: (tasks.collect, tasks.finalize),
    AttemptState.COLLECTED: (tasks.finalize,),
    AttemptState.BROKEN: (tasks.fail,),
}
"""What an attempt in each waiting state is woken with."""


@dataclass(frozen=True)
class WakeUp:
    """One attempt to be woken in a state, by the feature that it belongs to."""

    attempt_id: UUID
    state: AttemptState
    feature_queue: str

    @property
    def queue(self) -> str:
        """Where its message goes."""
        if self.state == AttemptState.BROKEN:
            return FAILED_QUEUE
        if self.state in (AttemptState.REPORTED, AttemptState.COLLECTED):
            return COMPLETED_QUEUE
        return self.feature_queue

    @property
    def ids_per_message(self) -> int:
        """What failed goes on alone; all else in batches."""
        return 1 if self.state == AttemptState.BROKEN else settings.MAX_IDS_PER_MESSAGE


def step_queues() -> list[str]:
    """Every queue that a worker for short steps serves."""
    return [*(feature.queue for feature in features().values()), COMPLETED_QUEUE, FAILED_QUEUE]


def cpu_queues() -> list[str]:
    """Every queue that a CPU worker serves."""
    return ["gpu.cpu"]


def publish(wake_ups: Iterable[WakeUp]) -> int:
    """Send the wake-ups, in as few messages as may be; returns how many messages were sent.

    A broker that is away stops the round: the jobs' ``wake_at`` brings them back.
    """
    batches: dict[tuple[str, AttemptState, int], list[str]] = defaultdict(list)
    for wake_up in wake_ups:
        key = (wake_up.queue, wake_up.state, wake_up.ids_per_message)
        batches[key].append(str(wake_up.attempt_id))
    sent = 0
    for (queue, state, size), ids in batches.items():
        for start in range(0, len(ids), size):
            try:
                _signature(state, ids[start : start + size], queue).apply_async()
            except (BrokerError, RedisError) as exc:
                logger.warning("broker away, wake-ups will be sent again: %s", type(exc).__name__)
                return sent
            sent += 1
    return sent


def _signature(state: AttemptState, ids: Sequence[str], queue: str) -> Signature:
    steps = [task.si(ids).set(queue=queue) for task in CHAINS[state]]
    return chain(*steps) if len(steps) > 1 else steps[0]
