"""The four steps on real storage, broker and MongoDB; a neighbour's error harms nobody."""

import contextlib
import json
import threading
import uuid
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.utils import timezone

from credits.models import CreditTransaction
from gpu_tasks.runtime.contract import EngineInfo, Outcome
from jobs import lifecycle, tasks, workflow
from jobs.calls.backends.models import LocalCall, LocalCallState
from jobs.models import Attempt, Job
from jobs.states import AttemptState
from media.models import MediaFile
from media.storage import object_storage
from projects import edl
from projects.models import Project
from tests.jobs.walk import admit, bring_to

TRANSCRIPT = {
    "language": "en",
    "duration_ms": 2000,
    "segments": [
        {
            "speaker": "Speaker 1",
            "start_ms": 0,
            "end_ms": 900,
            "text": "Hello world",
            "words": [
                {"word": "hello", "start_ms": 0, "end_ms": 400, "confidence": 0.9},
                {"word": "world", "start_ms": 450, "end_ms": 900, "confidence": 0.8},
            ],
        }
    ],
}
SUMMARY = {"language": "en", "duration_ms": 2000, "segments_count": 1, "words_count": 2}


@pytest.fixture
def project(user):
    return Project.objects.create(user=user, name="Film")


@pytest.fixture
def dispatched(make_job, project):
    """A job whose call has been started, with its stored transcript."""
    job = make_job()
    Job.objects.filter(pk=job.pk).update(project=project)
    MediaFile.objects.filter(pk=job.media_ids[0]).update(project=project)
    attempt = admit(job)
    workflow.prepare([attempt.pk])
    workflow.dispatch([attempt.pk])
    attempt.refresh_from_db()
    return attempt


def report(attempt, stored=TRANSCRIPT, result=SUMMARY):
    if stored is not None:
        key = attempt.payload["transcript"]["write"]["key"]
        object_storage().write(key, json.dumps(stored).encode(), content_type="application/json")
    outcome = Outcome(result=result, engine=EngineInfo(name="draft", model="m"))
    lifecycle.report_outcome(attempt_id=attempt.pk, call_id=attempt.call_id or "", outcome=outcome)


def test_prepare_writes_keys_and_no_signed_url(make_job):
    attempt = admit(make_job())
    workflow.prepare([attempt.pk])
    attempt.refresh_from_db()
    assert attempt.state == AttemptState.PREPARED
    assert set(attempt.payload["media"]["read"]) == {"key", "name"}
    assert str(attempt.pk) in attempt.payload["transcript"]["write"]["key"]
    assert "signature" not in json.dumps(attempt.payload)


def test_prepare_breaks_off_where_the_media_is_gone(make_job):
    gone, good = make_job(), make_job()
    attempts = [admit(gone), admit(good)]
    MediaFile.objects.filter(pk=gone.media_ids[0]).delete()
    tasks.prepare.apply(args=[[str(a.pk) for a in attempts]])
    states = {a.job_id: a for a in Attempt.objects.all()}
    assert states[good.pk].state == AttemptState.PREPARED
    assert states[gone.pk].state == AttemptState.FAILED
    assert states[gone.pk].error_code == "INPUT_INVALID"
    assert "deleted" in states[gone.pk].error_message


def test_dispatch_starts_one_call_with_signed_urls(dispatched):
    call = LocalCall.objects.get(attempt_id=dispatched.pk)
    assert (dispatched.state, dispatched.call_id) == (AttemptState.RUNNING, str(call.pk))
    assert call.state == LocalCallState.QUEUED
    assert "signature=" in call.payload["media"]["url"]
    assert call.payload["attempt_id"] == str(dispatched.pk)
    assert Job.objects.get(pk=dispatched.job_id).modal_task_id == str(call.pk)


def test_a_second_dispatch_starts_nothing(dispatched):
    workflow.dispatch([dispatched.pk])
    assert LocalCall.objects.count() == 1


def test_a_backend_that_takes_no_calls_costs_no_attempt(make_job, settings):
    settings.INFERENCE_BACKENDS = {"transcription": "modal"}
    settings.MODAL_TOKEN_ID = ""
    attempt = admit(make_job())
    workflow.prepare([attempt.pk])
    workflow.dispatch([attempt.pk])
    attempt.refresh_from_db()
    assert (attempt.state, attempt.number, attempt.crash_count) == (AttemptState.PREPARED, 1, 0)
    pause = attempt.job.wake_at - timezone.now()
    assert timedelta(0) < pause <= workflow.OUTAGE_PAUSE
    settings.INFERENCE_BACKENDS = {}
    Attempt.objects.filter(pk=attempt.pk).update(backend="local")
    workflow.dispatch([attempt.pk])
    attempt.refresh_from_db()
    assert (attempt.state, attempt.number) == (AttemptState.RUNNING, 1)


def test_collect_and_finalize_deliver_into_the_edl(dispatched, project, user):
    report(dispatched)
    workflow.collect([dispatched.pk])
    workflow.finalize([dispatched.pk])
    job = Job.objects.get(pk=dispatched.job_id)
    assert job.status == "completed"
    assert job.output_data["segments_count"] == 1
    assert job.output_data["engine"] == {"name": "draft", "model": "m"}
    document = edl.read_edl(project_id=project.pk, user_id=user.pk)
    [segment] = document["transcript"]["segments"]
    assert (segment["text"], segment["media_file_id"]) == ("Hello world", str(job.media_ids[0]))
    assert [word["word"] for word in segment["words"]] == ["hello", "world"]
    assert segment["language"] == "en"
    assert CreditTransaction.objects.filter(job=job).count() == 1


def test_finalize_twice_merges_once(dispatched, project, user):
    report(dispatched)
    workflow.collect([dispatched.pk])
    workflow.finalize([dispatched.pk])
    version = edl.read_edl(project_id=project.pk, user_id=user.pk)["version"]
    workflow.finalize([dispatched.pk])
    assert edl.read_edl(project_id=project.pk, user_id=user.pk)["version"] == version


def test_a_project_deleted_meanwhile_does_not_lose_the_result(dispatched, project):
    report(dispatched)
    workflow.collect([dispatched.pk])
    Job.objects.update(project=None)
    workflow.finalize([dispatched.pk])
    assert Job.objects.get(pk=dispatched.job_id).status == "completed"


@pytest.mark.parametrize(
    ("stored", "result"),
    [
        ({"language": "en"}, SUMMARY),
        (TRANSCRIPT | {"surprise": 1}, SUMMARY),
        (TRANSCRIPT, {"language": "en"}),
        (TRANSCRIPT, SUMMARY | {"duration_ms": -1}),
    ],
)
def test_an_answer_outside_the_contract_is_not_believed(dispatched, stored, result):
    report(dispatched, stored, result)
    tasks.collect.apply(args=[[str(dispatched.pk)]])
    dispatched.refresh_from_db()
    assert (dispatched.state, dispatched.error_code) == (AttemptState.FAILED, "MODEL_ERROR")


def test_a_result_that_was_never_stored_is_an_error_not_a_success(dispatched):
    report(dispatched, stored=None)
    workflow.collect([dispatched.pk])
    dispatched.refresh_from_db()
    assert (dispatched.state, dispatched.error_code) == (AttemptState.ERRORED, "STORAGE_ERROR")


def test_a_store_that_is_away_costs_no_attempt(dispatched, settings):
    from projects import connection

    report(dispatched)
    workflow.collect([dispatched.pk])
    there = settings.MONGODB_URI
    settings.MONGODB_URI = "mongodb://127.0.0.1:1"
    settings.MONGODB_TIMEOUT_MS = 200
    connection.register()
    try:
        workflow.finalize([dispatched.pk])
    finally:
        settings.MONGODB_URI = there
        connection.register()
    dispatched.refresh_from_db()
    assert (dispatched.state, dispatched.crash_count) == (AttemptState.COLLECTED, 0)
    workflow.finalize([dispatched.pk])
    assert Job.objects.get(pk=dispatched.job_id).status == "completed"


class RefusingS3(BaseHTTPRequestHandler):
    """Answers 403 to all requests, as S3 does for a key that it does not know."""

    def refuse(self):
        self.send_response(403)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_HEAD = do_PUT = refuse  # noqa: N815 - names of the standard library


@contextlib.contextmanager
def refusing_s3(settings):
    working = settings.STORAGES
    with ThreadingHTTPServer(("127.0.0.1", 0), RefusingS3) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        options = {
            "bucket_name": "media",
            "endpoint_url": f"http://127.0.0.1:{server.server_port}",
            "access_key": "rotated",
            "secret_key": "away",
            "region_name": "auto",
        }
        s3 = {"BACKEND": "media.storage.s3.PresignedS3Storage", "OPTIONS": options}
        settings.STORAGES = working | {"default": s3}
        try:
            yield
        finally:
            settings.STORAGES = working
            server.shutdown()


def test_a_store_that_refuses_to_show_a_result_costs_no_second_run(dispatched, settings):
    """As after a rotated key: S3 answers 403."""
    report(dispatched)
    with refusing_s3(settings):
        workflow.collect([dispatched.pk])
    dispatched.refresh_from_db()
    assert (dispatched.state, dispatched.error_code) == (AttemptState.REPORTED, None)
    pause = Job.objects.get(pk=dispatched.job_id).wake_at - timezone.now()
    assert timedelta(0) < pause <= workflow.OUTAGE_PAUSE
    workflow.collect([dispatched.pk])
    workflow.finalize([dispatched.pk])
    assert Job.objects.get(pk=dispatched.job_id).status == "completed"


def test_steps_ignore_attempts_they_do_not_know(db):
    for step in (workflow.prepare, workflow.dispatch, workflow.collect, workflow.finalize):
        step([uuid.uuid4()])
    assert not Attempt.objects.exists()


def test_a_cancelled_job_is_not_prepared(make_job):
    job = make_job()
    attempt = bring_to(job, AttemptState.QUEUED)
    lifecycle.cancel(job_id=job.pk, by="user")
    workflow.prepare([attempt.pk])
    attempt.refresh_from_db()
    assert (attempt.state, attempt.payload) == (AttemptState.CANCELLED, None)
