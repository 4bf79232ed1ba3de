"""Run chains in RQ: jobs that depend on the previous job."""

from redis import Redis
from rq import Queue

from benchmarks.contenders import BROKER, STEPS, count_done

NAME = "benchmark-rq"
queue = Queue(NAME, connection=Redis.from_url(BROKER))


def step(job_id: int, number: int) -> None:
    """Do nothing; the last step of a chain counts it."""
    if number == STEPS:
        count_done()


def submit(job_id: int) -> None:
    """Enqueue all steps, each depending on the previous one."""
    before = None
    for number in range(1, STEPS + 1):
        before = queue.enqueue(step, job_id, number, depends_on=before, result_ttl=60)
