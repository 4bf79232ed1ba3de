"""Run chains as pipelines of taskiq-pipelines over Redis."""

import asyncio

from taskiq_pipelines import Pipeline, PipelineMiddleware
from taskiq_redis import ListQueueBroker

from benchmarks.contenders import BROKER, STEPS, count_done

broker = ListQueueBroker(BROKER, queue_name="benchmark-taskiq").with_middlewares(
    PipelineMiddleware()
)
loop = asyncio.new_event_loop()


@broker.task
async def step(job_id: int, number: int) -> None:
    """Do nothing; the last step of a chain counts it."""
    if number == STEPS:
        count_done()


async def publish(job_id: int) -> None:
    pipeline = Pipeline(broker, step)
    for number in range(2, STEPS + 1):
        pipeline.call_after(step, job_id=job_id, number=number)
    await pipeline.kiq(job_id, 1)


def submit(job_id: int) -> None:
    """Publish one pipeline."""
    loop.run_until_complete(publish(job_id))
