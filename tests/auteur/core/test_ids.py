"""Ids: of the request in its answer and events, of the work in the log; no secret beside them."""

import logging

import pytest
from django.test import Client

from auteur.celery import app
from auteur.core import ids
from auteur.core.api.request_ids import HEADER
from auteur.core.logs import LineFormatter, scrub
from jobs.models import Event, Job
from jobs.queries import find_jobs
from tests.jobs.walk import number_all

GIVEN = "0123456789abcdef"


def line(**kwargs):
    fields = {"name": "n", "level": logging.INFO, "pathname": "", "lineno": 1, "args": ()}
    record = logging.LogRecord(**(fields | {"msg": "said", "exc_info": None} | kwargs))
    return LineFormatter().format(record)


class TestRequests:
    def test_each_answer_has_an_id_of_its_own(self, db):
        first, second = (Client().get("/health/live")[HEADER] for _ in range(2))
        assert first != second
        assert len(first) == 32

    def test_the_callers_id_is_taken(self, api):
        assert api.get("/credits", HTTP_X_REQUEST_ID=GIVEN)[HEADER] == GIVEN

    @pytest.mark.parametrize(
        "odd", ["short", "x" * 65, "spaces in it 0123456", "ü" * 20, GIVEN + "\n"]
    )
    def test_an_odd_one_is_replaced(self, db, odd):
        assert Client().get("/health/live", HTTP_X_REQUEST_ID=odd)[HEADER] != odd

    def test_a_job_keeps_the_id_of_the_request_that_asked_for_it(self, api, make_media):
        body = {"media_id": str(make_media().pk)}
        answer = api.post("/jobs/transcription", body, format="json", HTTP_X_REQUEST_ID=GIVEN)
        job = Job.objects.get(pk=answer.json()["job_id"])
        assert Event.objects.get(job=job, type="requested").data["request_id"] == GIVEN
        number_all()
        assert find_jobs(GIVEN) == {job.pk}
        assert find_jobs(GIVEN.replace("0", "1")) == set()

    def test_so_does_its_cancel(self, api, make_job):
        job = make_job()
        api.post(f"/jobs/{job.pk}/cancel", HTTP_X_REQUEST_ID=GIVEN)
        assert Event.objects.get(job=job, type="cancelled").data["request_id"] == GIVEN

    def test_requesting_is_logged_with_both_ids(self, api, make_media, caplog):
        caplog.set_level(logging.INFO, logger="jobs.submission")
        caplog.handler.setFormatter(LineFormatter())
        body = {"media_id": str(make_media().pk)}
        answer = api.post("/jobs/transcription", body, format="json", HTTP_X_REQUEST_ID=GIVEN)
        assert f"job {answer.json()['job_id']} requested: transcription" in caplog.text
        assert f"[request={GIVEN}]" in caplog.text


class TestLines:
    def test_name_what_is_bound_and_forget_it_afterwards(self):
        with ids.bind_ids(request="r1"), ids.bind_ids(job="j1"):
            assert line().endswith("said [request=r1 job=j1]")
        assert line().endswith("said")

    def test_a_task_begins_with_nothing_of_the_one_before(self):
        with ids.bind_ids(request="r1"):
            ids.bind_task("t1")
            assert ids.current() == {"task": "t1"}
            assert ids.request_id() == {}

    def test_tracebacks_are_scrubbed(self):
        try:
            raise ValueError("Key (email)=(ann@example.com) exists")
        except ValueError as exc:
            result = line(exc_info=(type(exc), exc, exc.__traceback__))
        assert "Traceback" in result
        assert "ann@example.com" not in result

    @pytest.mark.parametrize(
        ("text", "safe"),
        [
            ("at https://s/o?X-Amz-Signature=abc&x=1 now", "at https://s/o?[query] now"),
            ("Authorization: Bearer abc.def", "Authorization: Bearer [token]"),
            ("eyJhbGciOi.eyJzdWIi.c2ln!", "[token]!"),
            ("postgres://auteur:secret@db/auteur", "postgres://[login]@db/auteur"),
            ("to ann@example.com.", "to [email]."),
            ("Failing row contains (1, ann, 2).", "Failing row contains (…)."),
            ("is it so? yes", "is it so? yes"),
        ],
    )
    def test_what_is_scrubbed(self, text, safe):
        assert scrub(text) == safe


def test_flower_shows_every_id_of_the_largest_message(settings):
    attempt_ids = [
        f"{n:08d}-0000-4000-8000-000000000000" for n in range(settings.MAX_IDS_PER_MESSAGE)
    ]
    message = app.amqp.create_task_message("1", "jobs.prepare", (attempt_ids,), {})
    assert all(attempt_id in message.headers["argsrepr"] for attempt_id in attempt_ids)
