"""Procrastinate: each task defers the next, in PostgreSQL; it has no chains of its own."""

from functools import cache

import procrastinate

from benchmarks.contenders import DATABASE, STEPS, done

app = procrastinate.App(
    connector=procrastinate.PsycopgConnector(conninfo=DATABASE),
    import_paths=["benchmarks.contenders.procrastinate_chain"],
)


@app.task(name="step", queue="benchmark")
async def step(job_id: int, number: int) -> None:
    """Do nothing but the next one; the last one counts itself."""
    if number == STEPS:
        done()
    else:
        await step.defer_async(job_id=job_id, number=number + 1)


@cache
def opened() -> procrastinate.App:
    return app.open()


def prepare() -> None:
    """Make its tables."""
    with app.open():
        app.schema_manager.apply_schema()


def submit(job_id: int) -> None:
    """Defer the first step."""
    opened()
    step.defer(job_id=job_id, number=1)
