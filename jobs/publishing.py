"""Publish wake-ups: choose the queue and the chain of each."""

import logging
import math
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from celery import chain
from django.conf import settings

from auteur.core.work import broker
from auteur.core.work.broker import BROKER_OUTAGES
from jobs import heartbeat, tasks
from jobs.features.registry import features, get_feature
from jobs.states import (
    COMPLETED_QUEUE,
    COMPLETED_STATES,
    TAKING,
    AttemptState,
    chain_of,
)
from media.tasks import WORK

logger = logging.getLogger(__name__)

MAX_READING_IDS = 4
"""Ids of a message for steps that inspect and sign files, which take seconds each."""
LEAST_SHARED_IDS = 10
"""Ids of a message before ids are shared among idle workers. A few ids cost a worker milliseconds;
a further message costs statements, commits and a round trip to the broker."""
MAX_WAITING_MESSAGES = 2
"""Nothing is sent to a queue with so many. Due attempts wait in PostgreSQL, to share messages."""


@dataclass(frozen=True)
class WakeUp:
    """One attempt that is to be woken in a state, of a job of this type."""

    attempt_id: UUID
    state: AttemptState
    type: str
    crash_count: int = 0

    @property
    def queue(self) -> str:
        return TAKING[self.state].queue or get_feature(self.type).queue

    @property
    def ids_per_message(self) -> int:
        """Return how many may share its message: one, if a worker died of it."""
        if self.crash_count > 0:
            return 1
        if self.state in COMPLETED_STATES and get_feature(self.type).makes_media:
            return min(MAX_READING_IDS, int(settings.MAX_IDS_PER_MESSAGE))
        return int(settings.MAX_IDS_PER_MESSAGE)


def step_queues() -> list[str]:
    """Return every queue that a worker for short steps serves."""
    return [*(feature.queue for feature in features().values()), COMPLETED_QUEUE]


def cpu_queues() -> list[str]:
    """Return every queue that a CPU worker serves."""
    return ["gpu.cpu"]


def media_queues() -> list[str]:
    """Return every queue that a worker for media serves."""
    return [work.queue for work in WORK]


def queues_with_capacity() -> set[str]:
    """Return the step queues with few messages; raise one of ``BROKER_OUTAGES``."""
    message_counts = broker.count_messages(step_queues())
    return {name for name, count in message_counts.items() if count < MAX_WAITING_MESSAGES}


def publish(wake_ups: Collection[WakeUp]) -> int:
    """Send the wake-ups, and return how many messages were sent.

    More than `LEAST_SHARED_IDS` ids are shared among the living worker children: with fewer
    messages, children would be idle while others work through many ids. Stops if the broker does
    not answer; by their ``wake_at`` the jobs are due again.
    """
    batches: dict[tuple[str, AttemptState, int], list[str]] = defaultdict(list)
    for wake_up in wake_ups:
        key = (wake_up.queue, wake_up.state, wake_up.ids_per_message)
        batches[key].append(str(wake_up.attempt_id))
    children = heartbeat.count_living() if len(wake_ups) > LEAST_SHARED_IDS else 1
    ids_per_child = max(LEAST_SHARED_IDS, math.ceil(len(wake_ups) / max(1, children)))
    message_count = 0
    for (queue, state, limit), ids in batches.items():
        size = min(limit, ids_per_child)
        steps = [getattr(tasks, step.name) for step in chain_of(state)]
        for start in range(0, len(ids), size):
            message_ids = ids[start : start + size]
            try:
                chain(*(step.si(message_ids).set(queue=queue) for step in steps)).apply_async()
            except BROKER_OUTAGES as exc:
                logger.warning("broker away, wake-ups will be sent again: %s", type(exc).__name__)
                return message_count
            message_count += 1
    return message_count
