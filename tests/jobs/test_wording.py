"""Credits and their return are told in one wording, wherever a user may read of them."""

import json
import re

import pytest

from gpu_tasks.runtime.errors import POLICIES, ErrorCode
from jobs import lifecycle
from jobs.errors import JobError
from jobs.states import AttemptState
from tests.contract import described
from tests.jobs.walk import bring_to

OTHER_WORDS = re.compile(
    r"\b(g[ia]ves? (the credits |nothing )?back|given back|c[oa]mes? back|reimburs\w+|deducted)\b"
)


def told(api, job):
    """What the history says of a job: each row's type and description."""
    rows = api.get("/credits/history").json()["transactions"]
    return {row["type"]: row["description"] for row in rows if row["job_id"] == str(job.pk)}


def cancelled(job):
    lifecycle.cancel(job_id=job.pk, by="user")


def given_up(job):
    lifecycle.expire(job_id=job.pk)


def broken(code, message=None):
    def end(job):
        attempt = bring_to(job, AttemptState.RUNNING)
        error = JobError(code, message or POLICIES[code].message)
        lifecycle.fail(attempt_id=attempt.pk, error=error, states=[AttemptState.RUNNING])

    return end


@pytest.mark.parametrize(
    "end",
    [
        cancelled,
        given_up,
        *(broken(code) for code in ErrorCode),
        broken(ErrorCode.INPUT_INVALID, "The media file 'a: b.mp4' cannot be decoded."),
    ],
)
def test_a_refund_says_what_the_job_says(api, make_job, end):
    job = make_job()

    end(job)

    body = api.get(f"/jobs/{job.pk}").json()
    reason = f"{body['status']}: {body['error']['message']}"
    assert body["credits_refunded"]
    assert told(api, job) == {
        "usage": "Charged for transcription",
        "refund": f"Refunded, transcription {reason}",
    }


def test_the_page_of_the_api_has_no_other_words():
    schema = described()
    about_jobs = {
        path: output for path, output in schema["paths"].items() if path.startswith("/jobs")
    }
    parts = json.dumps([about_jobs, schema["components"]["schemas"]])
    assert OTHER_WORDS.findall(parts) == []
