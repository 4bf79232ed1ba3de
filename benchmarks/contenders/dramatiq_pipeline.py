"""Run chains as Dramatiq pipelines over Redis."""

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from benchmarks.contenders import BROKER, STEPS, count_done

dramatiq.set_broker(RedisBroker(url=BROKER))


@dramatiq.actor(queue_name="benchmark-dramatiq")
def step(job_id: int, number: int) -> None:
    """Do nothing; the last step of a chain counts it."""
    if number == STEPS:
        count_done()


def submit(job_id: int) -> None:
    """Publish one pipeline."""
    steps = [
        step.message_with_options(args=(job_id, number), pipe_ignore=True)
        for number in range(1, STEPS + 1)
    ]
    dramatiq.pipeline(steps).run()
