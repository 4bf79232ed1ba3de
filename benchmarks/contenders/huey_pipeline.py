"""Run chains as Huey pipelines over Redis."""

from huey import RedisHuey

from benchmarks.contenders import BROKER, STEPS, count_done

huey = RedisHuey("benchmark-huey", url=BROKER, results=False)


@huey.task()
def step(job_id: int, number: int) -> None:
    """Do nothing; the last step of a chain counts it."""
    if number == STEPS:
        count_done()


def submit(job_id: int) -> None:
    """Publish one pipeline."""
    pipeline = step.s(job_id, 1)
    for number in range(2, STEPS + 1):
        pipeline = pipeline.then(step, job_id, number)
    huey.enqueue(pipeline)
