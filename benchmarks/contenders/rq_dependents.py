"""RQ: jobs that depend on the one before."""

from redis import Redis
from rq import Queue

from benchmarks.contenders import BROKER, STEPS, done

NAME = "benchmark-rq"
queue = Queue(NAME, connection=Redis.from_url(BROKER))


def step(job_id: int, number: int) -> None:
    """Do nothing; the last one counts itself."""
    if number == STEPS:
        done()


def submit(job_id: int) -> None:
    """Enqueue all steps, each after the one before."""
    before = None
    for number in range(1, STEPS + 1):
        before = queue.enqueue(step, job_id, number, depends_on=before, result_ttl=60)
