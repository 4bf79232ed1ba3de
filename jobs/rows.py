"""Convert rows of our own statements to attempts with their jobs."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from django.db import DEFAULT_DB_ALIAS, models

from jobs.models import Attempt, Job

_FIELDS = {"j": Job._meta.concrete_fields, "a": Attempt._meta.concrete_fields}
_COLUMNS = [(alias, str(field.column)) for alias, fields in _FIELDS.items() for field in fields]
_JSON = [isinstance(field, models.JSONField) for fields in _FIELDS.values() for field in fields]
_JOB_NAMES, _ATTEMPT_NAMES = ([field.attname for field in fields] for fields in _FIELDS.values())


def build_claim_marks() -> dict[str, str]:
    """Return marks for statements: the columns of the job `j` and attempt `a`, and their names."""
    return {
        "claimed_columns": ", ".join(
            f"{alias}.{name} AS {alias}_{name}" for alias, name in _COLUMNS
        ),
        "claimed": ", ".join(f"{alias}_{name}" for alias, name in _COLUMNS),
    }


def attempts(rows: Iterable[Sequence[Any]]) -> list[Attempt]:
    """Return the attempts of such rows, each with its job."""
    attempts_with_jobs = []
    for row in rows:
        values = [
            json.loads(value) if is_json and value is not None else value
            for value, is_json in zip(row, _JSON, strict=True)
        ]
        job_width = len(_JOB_NAMES)
        attempt = Attempt.from_db(DEFAULT_DB_ALIAS, _ATTEMPT_NAMES, values[job_width:])
        attempt.job = Job.from_db(DEFAULT_DB_ALIAS, _JOB_NAMES, values[:job_width])
        attempts_with_jobs.append(attempt)
    return attempts_with_jobs
