"""Run the bare baseline: a Celery chain of four steps that do nothing, without any database."""

import os

import redis
from celery import Celery, chain

STEPS = 4
DONE = "benchmark:bare"

app = Celery("bare", broker=os.environ.get("BENCHMARK_BROKER", "redis://localhost"))
app.conf.update(
    task_ignore_result=True, worker_prefetch_multiplier=4, task_default_queue="benchmark-bare"
)
_redis = redis.Redis.from_url(app.conf.broker_url)


@app.task
def step(job_id: int, number: int) -> None:
    """Do nothing; the last step of a chain counts it."""
    if number == STEPS:
        _redis.incr(DONE)


def submit(job_id: int) -> None:
    """Publish one chain."""
    chain(*(step.si(job_id, number) for number in range(1, STEPS + 1))).apply_async()
