"""Run chains in Procrastinate: each task defers the next, because it has no chains."""

from functools import cache

import procrastinate

from benchmarks.contenders import DATABASE, STEPS, count_done

app = procrastinate.App(
    connector=procrastinate.PsycopgConnector(conninfo=DATABASE),
    import_paths=["benchmarks.contenders.procrastinate_chain"],
)


@app.task(name="step", queue="benchmark")
async def step(job_id: int, number: int) -> None:
    """Defer the next step; the last step of a chain counts it."""
    if number == STEPS:
        count_done()
    else:
        await step.defer_async(job_id=job_id, number=number + 1)


@cache
def opened() -> procrastinate.App:
    return app.open()


def prepare() -> None:
    """Create the tables of Procrastinate."""
    with app.open():
        app.schema_manager.apply_schema()


def submit(job_id: int) -> None:
    """Defer the first step."""
    opened()
    step.defer(job_id=job_id, number=1)
