"""Jobs for media that is being checked: accepted, then charged once, or failed for nothing."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.db.models import DurationField, ExpressionWrapper, F
from django.db.models.functions import Now
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from credits import ledger, spending
from credits.models import CreditTransaction
from gpu_tasks.runtime.errors import InputRefusedError
from jobs import hooks, lifecycle, queries, submission, watermarks
from jobs.audit import ledger_audit
from jobs.events.numbering import number_events
from jobs.features.registry import get_feature
from jobs.models import Event, GpuPool, Job, UserEvent
from jobs.orchestrator import admission, loop, media_waits
from jobs.states import MEDIA_CLASS
from media.deletion import MediaInUseProblem, delete_media
from media.models import MediaFile, MediaStatus, MediaType, VoiceClone
from projects.models import Project
from tests.conftest import by_key

Make = Callable[..., MediaFile]
UNCHECKED: dict[str, Any] = {
    "status": MediaStatus.CHECKING,
    "check_at": Now(),
    "duration_ms": None,
    "metadata": {},
}
READY: dict[str, Any] = {
    "status": MediaStatus.READY,
    "check_at": None,
    "duration_ms": 600_000,
    "metadata": {"has_audio": True},
}
URL = "/jobs/transcription"


@pytest.fixture
def media(make_media: Make) -> MediaFile:
    """A recording that is being checked."""
    return make_media(**UNCHECKED)


def submit(api: APIClient, media: MediaFile, **parameters: Any) -> Any:
    return api.post(URL, {"media_id": str(media.pk), **parameters}, format="json")


def end_check(media: MediaFile, **changes: Any) -> None:
    """End the check of an upload, and have its jobs looked at, as its worker does."""
    MediaFile.objects.filter(pk=media.pk).update(**(READY | changes))
    hooks.wake_jobs_waiting_for(media)


def reject(media: MediaFile) -> None:
    refusal = InputRefusedError("unreadable", "The file cannot be read.")
    end_check(media, status=MediaStatus.REJECTED, **MediaFile.refused(refusal))


def ledger_rows() -> list[tuple[str, int]]:
    return list(CreditTransaction.objects.exclude(type="bonus").values_list("type", "amount"))


class TestWaiting:
    """Between the submission and the end of the check."""

    def test_a_job_is_accepted_and_says_what_it_waits_for(
        self, api: APIClient, user: User, media: MediaFile
    ) -> None:
        answer = submit(api, media)
        body = answer.json()
        assert (answer.status_code, body["status"]) == (202, "pending")
        assert (body["waits_for"], body["credits_cost"]) == ("media", 0)
        job_body = api.get(f"/jobs/{body['job_id']}").json()
        assert (job_body["status"], job_body["waits_for"]) == ("pending", "media")
        assert job_body["queue_position"] is job_body["estimated_start_at"] is None
        (listed,) = api.get("/jobs?status=pending").json()["jobs"]
        assert listed["waits_for"] == "media"
        assert ledger.get_balance(user_id=user.pk) == 100
        assert Event.objects.get().type == "requested"

    def test_nothing_admits_it_and_it_is_looked_at_later_and_later(
        self, api: APIClient, media: MediaFile
    ) -> None:
        submit(api, media)
        assert media_waits.queue_checked_jobs() == 1
        assert media_waits.queue_checked_jobs() == 0, "it is postponed"
        assert admission.admit_all() == 0
        Job.objects.update(wake_at=Now(), created_at=Now() - timedelta(minutes=1))
        assert media_waits.queue_checked_jobs() == 1
        remaining = ExpressionWrapper(F("wake_at") - Now(), output_field=DurationField())
        pause = Job.objects.values_list(remaining, flat=True).get()
        assert timedelta(seconds=10) < pause < timedelta(seconds=16)

    def test_its_media_cannot_be_deleted(
        self, api: APIClient, user: User, media: MediaFile
    ) -> None:
        submit(api, media)
        with pytest.raises(MediaInUseProblem):
            delete_media(user_id=user.pk, media_id=media.pk)

    def test_it_can_be_cancelled_for_nothing(
        self, api: APIClient, user: User, media: MediaFile
    ) -> None:
        job_id = submit(api, media).json()["job_id"]
        cancelled = api.post(f"/jobs/{job_id}/cancel").json()
        assert (cancelled["status"], cancelled["waits_for"]) == ("cancelled", None)
        assert cancelled["credits_refunded"] is False
        end_check(media)
        assert media_waits.queue_checked_jobs() == 0
        assert ledger_rows() == []

    def test_it_does_not_wait_for_ever(self, api: APIClient, media: MediaFile) -> None:
        submit(api, media)
        Job.objects.update(start_deadline_at=Now())
        loop.sweep()
        job = Job.objects.get()
        assert (job.status, job.error_code) == ("failed", "DEADLINE_EXCEEDED")
        assert ledger_rows() == []

    def test_staff_cannot_give_it_an_attempt(self, api: APIClient, media: MediaFile) -> None:
        submit(api, media)
        with pytest.raises(lifecycle.JobWaitsForMediaProblem):
            lifecycle.requeue_job(job_id=Job.objects.get().pk, by="staff")

    def test_it_ends_with_its_project(self, api: APIClient, user: User, make_media: Make) -> None:
        project = Project.objects.create(user=user, name="Film")
        submit(api, make_media(project=project, **UNCHECKED))
        for _ in hooks.end_jobs_of_project(project):
            pass
        assert Job.objects.get().status == "cancelled"

    def test_a_key_repeats_the_answer(self, api: APIClient, media: MediaFile) -> None:
        api.credentials(**api._credentials, HTTP_IDEMPOTENCY_KEY="once")
        first = submit(api, media).json()
        end_check(media)
        assert submit(api, media).json() == first
        assert Job.objects.count() == 1

    def test_a_batch_may_have_some_that_wait(
        self, api: APIClient, user: User, media: MediaFile, make_media: Make
    ) -> None:
        jobs = [{"type": "transcription", "media_id": str(m.pk)} for m in (make_media(), media)]
        answer = api.post("/jobs/batch", {"jobs": jobs}, format="json")
        assert answer.status_code == 202
        assert [job["waits_for"] for job in answer.json()["jobs"]] == [None, "media"]
        assert ledger.get_balance(user_id=user.pk) == 99
        assert admission.admit_all() == 1
        assert Event.objects.filter(type="requested").count() == 2

    def test_an_estimate_says_that_the_check_goes_on(
        self, api: APIClient, media: MediaFile
    ) -> None:
        answer = api.post(f"{URL}/estimate", {"media_id": str(media.pk)}, format="json")
        (error,) = answer.json()["errors"]
        assert (answer.status_code, error["code"]) == (422, "media_not_ready")
        assert "being checked" in error["detail"]

    def test_there_is_no_quote_for_it(self, api: APIClient, media: MediaFile) -> None:
        assert submit(api, media, quote_id="x").json()["code"] == "invalid_quote"

    def test_what_else_is_wrong_is_refused_at_once(self, api: APIClient, media: MediaFile) -> None:
        assert submit(api, media, language="xx").status_code == 400
        assert not Job.objects.exists()


class TestPaying:
    """Who cannot pay hears that first; how much is known later."""

    @pytest.mark.parametrize(
        "status", [MediaStatus.UPLOADING, MediaStatus.CHECKING, MediaStatus.REJECTED]
    )
    def test_who_has_no_credits_hears_that_first(
        self,
        make_user: Callable[..., User],
        client_of: Callable[[User], APIClient],
        make_media: Make,
        status: str,
    ) -> None:
        poor = make_user()
        is_checking = status == MediaStatus.CHECKING
        media = make_media(poor, status=status, check_at=Now() if is_checking else None)
        answer = submit(client_of(poor), media)
        assert (answer.status_code, answer.json()["code"]) == (402, "insufficient_credits")
        assert answer.json()["required"] == 1
        jobs = [{"type": "transcription", "media_id": str(media.pk)}]
        assert client_of(poor).post("/jobs/batch", {"jobs": jobs}, format="json").status_code == 402

    def test_a_batch_needs_the_least_price_of_each(
        self,
        make_user: Callable[..., User],
        client_of: Callable[[User], APIClient],
        make_media: Make,
    ) -> None:
        poor = make_user(balance=2)
        jobs = [
            {"type": "transcription", "media_id": str(make_media(poor, **UNCHECKED).pk)}
            for _ in range(3)
        ]
        api = client_of(poor)
        answer = api.post("/jobs/batch", {"jobs": jobs}, format="json")
        assert (answer.status_code, answer.json()["required"]) == (402, 3)
        assert not Job.objects.exists()
        assert api.post("/jobs/batch", {"jobs": jobs[:2]}, format="json").status_code == 202

    def test_the_cap_of_an_api_key_holds_at_both_times(
        self, user: User, media: MediaFile, make_key: Callable[..., Any]
    ) -> None:
        key = make_key(caps={"credits_in_all": 0})
        assert submit(by_key(key), media).json()["code"] == "spending_cap_reached"
        key = make_key(caps={"credits_in_all": 4})
        assert submit(by_key(key), media).status_code == 202
        end_check(media)  # which costs 5
        media_waits.queue_checked_jobs()
        job = Job.objects.get()
        assert (job.status, job.error_code) == ("failed", "INSUFFICIENT_CREDITS")
        assert ledger.get_balance(user_id=user.pk) == 100

    def test_what_an_api_key_spends_is_counted(
        self, media: MediaFile, make_key: Callable[..., Any]
    ) -> None:
        key = make_key(caps={"credits_in_all": 5})
        assert submit(by_key(key), media).status_code == 202
        end_check(media)
        media_waits.queue_checked_jobs()
        job = Job.objects.get()
        assert (job.status, job.credits_cost) == ("pending", 5)
        assert job.api_key_id is not None
        assert spending.get_usage(api_key_id=job.api_key_id).credits_spent == 5

    def test_a_balance_that_does_not_suffice_fails_the_job(
        self,
        make_user: Callable[..., User],
        client_of: Callable[[User], APIClient],
        make_media: Make,
    ) -> None:
        poor = make_user(balance=4)
        media = make_media(poor, **UNCHECKED)
        api = client_of(poor)
        job_id = submit(api, media).json()["job_id"]
        end_check(media)
        media_waits.queue_checked_jobs()
        error = api.get(f"/jobs/{job_id}").json()["error"]
        assert error["code"] == "INSUFFICIENT_CREDITS"
        assert "costs 5 credits" in error["message"]
        assert error["retryable"] is True
        assert ledger.get_balance(user_id=poor.pk) == 4
        assert not ledger_audit.check().findings


class TestTheEndOfTheCheck:
    """The same checks as at a submission, one charge, or none."""

    def test_ready_media_is_charged_and_queued(
        self, api: APIClient, user: User, media: MediaFile
    ) -> None:
        submit(api, media)
        end_check(media, duration_ms=600_001)
        assert media_waits.queue_checked_jobs() == 1
        job = Job.objects.get()
        assert (job.status, job.credits_cost, queries.compute_queue_position(job)) == (
            "pending",
            6,
            1,
        )
        assert job.derived_params == {"language": "en", "speaker_diarization": True}
        assert ledger_rows() == [("usage", -6)]
        assert media_waits.queue_checked_jobs() == 0
        assert admission.admit_all() == 1
        number_events()
        assert UserEvent.objects.get().data["credits_cost"] == 6
        assert not ledger_audit.check().findings

    def test_it_does_not_come_in_below_what_the_queue_is_read_from(
        self, api: APIClient, media: MediaFile, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        submit(api, media)
        gpu_class = get_feature("transcription").gpu_class
        GpuPool.objects.create(gpu_class=gpu_class, clock=3)
        floor = watermarks.ClassWatermark(waiting_from=(3, timezone.now()))
        monkeypatch.setattr(
            watermarks._keeper, "floors", watermarks.Watermarks(classes={gpu_class: floor})
        )
        end_check(media)
        media_waits.queue_checked_jobs()
        assert admission.admit_all() == 1

    def test_rejected_media_fails_the_job_for_nothing(
        self, api: APIClient, user: User, media: MediaFile
    ) -> None:
        job_id = submit(api, media).json()["job_id"]
        reject(media)
        media_waits.queue_checked_jobs()
        body = api.get(f"/jobs/{job_id}").json()
        assert (body["status"], body["waits_for"]) == ("failed", None)
        assert body["error"] == {
            "code": "INPUT_INVALID",
            "message": "The file was refused: The file cannot be read.",
            "retryable": False,
        }
        assert ledger_rows() == []
        assert ledger.get_balance(user_id=user.pk) == 100
        assert list(Event.objects.order_by("pk").values_list("type", flat=True)) == [
            "requested",
            "failed",
        ]
        assert not ledger_audit.check().findings

    @pytest.mark.parametrize(
        ("found", "message"),
        [
            ({"type": MediaType.IMAGE}, "The file is image"),
            ({"metadata": {"has_audio": False}}, "no sound"),
            ({"duration_ms": 100 * 3600 * 1000}, "too long"),
        ],
        ids=["a picture", "a silent film", "too long"],
    )
    def test_media_that_the_feature_cannot_use_fails_the_job(
        self, api: APIClient, media: MediaFile, found: dict[str, Any], message: str
    ) -> None:
        submit(api, media)
        end_check(media, **found)
        media_waits.queue_checked_jobs()
        job = Job.objects.get()
        assert (job.status, job.error_code) == ("failed", "INPUT_INVALID")
        assert message in (job.error_message or "")
        assert ledger_rows() == []

    def test_media_that_has_gone_fails_the_job(self, api: APIClient, media: MediaFile) -> None:
        submit(api, media)
        media.delete()
        media_waits.queue_checked_jobs()
        job = Job.objects.get()
        assert (job.error_code, job.error_message) == ("INPUT_INVALID", media_waits.INPUT_GONE)

    def test_a_failed_job_runs_again_for_media_that_is_there(
        self, api: APIClient, media: MediaFile
    ) -> None:
        job_id = submit(api, media).json()["job_id"]
        api.post(f"/jobs/{job_id}/cancel")
        again = api.post(f"/jobs/{job_id}/retry").json()
        assert (again["waits_for"], again["credits_cost"]) == ("media", 0)
        end_check(media)
        media_waits.queue_checked_jobs()
        assert Job.objects.get(pk=again["job_id"]).credits_cost == 5

    def test_a_feature_that_was_switched_off_meanwhile_goes_on(
        self, api: APIClient, media: MediaFile, settings: Any
    ) -> None:
        submit(api, media)
        settings.FEATURES_DISABLED = ["transcription"]
        end_check(media)
        media_waits.queue_checked_jobs()
        assert Job.objects.get().credits_cost == 5

    def test_two_inputs_are_both_waited_for(
        self, api: APIClient, make_media: Make, settings: Any
    ) -> None:
        settings.FACE_CONSENT_REQUIRED = False
        film = make_media(type=MediaType.VIDEO, **UNCHECKED)
        sound = make_media(**UNCHECKED)
        body = {"video_media_id": str(film.pk), "audio_media_id": str(sound.pk)}
        assert api.post("/jobs/lip-sync", body, format="json").json()["waits_for"] == "media"
        end_check(sound, duration_ms=30_001)
        media_waits.queue_checked_jobs()
        assert Job.objects.get().gpu_class == MEDIA_CLASS
        end_check(film)
        media_waits.queue_checked_jobs()
        assert Job.objects.get().credits_cost == 30

    def test_a_face_without_a_consent_is_refused_at_once(
        self, api: APIClient, make_media: Make, settings: Any
    ) -> None:
        settings.FACE_CONSENT_REQUIRED = True
        film = make_media(type=MediaType.VIDEO, **UNCHECKED)
        body = {"video_media_id": str(film.pk), "audio_media_id": str(make_media().pk)}
        answer = api.post("/jobs/lip-sync", body, format="json")
        assert (answer.status_code, answer.json()["code"]) == (422, "consent_required")

    def test_a_voice_is_waited_for_as_well(self, api: APIClient, user: User) -> None:
        voice = VoiceClone.objects.create(
            user=user,
            name="Ada",
            status=MediaStatus.CHECKING,
            check_at=Now(),
            sample_r2_key="users/a/sample.wav",
            consent_statement="Yes.",
            consented_at=Now(),
        )
        body = {"text": "Hello there.", "voice_id": str(voice.pk)}
        assert api.post("/jobs/tts", body, format="json").json()["waits_for"] == "media"
        media_waits.queue_checked_jobs()
        assert Job.objects.get().gpu_class == MEDIA_CLASS
        VoiceClone.objects.update(status=MediaStatus.READY, check_at=None)
        hooks.wake_jobs_waiting_for(voice)
        media_waits.queue_checked_jobs()
        assert Job.objects.get().credits_cost == 2

    def test_a_job_that_cannot_be_looked_at_stops_no_other(
        self, api: APIClient, make_media: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first, second = make_media(**UNCHECKED), make_media(**UNCHECKED)
        submit(api, first)
        submit(api, second)
        end_check(first)
        end_check(second)
        charge = media_waits._charge_and_queue

        def break_once(job: Job) -> None:
            monkeypatch.setattr(media_waits, "_charge_and_queue", charge)
            raise RuntimeError

        monkeypatch.setattr(media_waits, "_charge_and_queue", break_once)
        assert media_waits.queue_checked_jobs() == 2
        assert Job.objects.exclude(gpu_class=MEDIA_CLASS).count() == 1
        Job.objects.filter(gpu_class=MEDIA_CLASS).update(wake_at=Now())
        assert media_waits.queue_checked_jobs() == 1
        assert ledger_rows() == [("usage", -5)] * 2


class TestLimits:
    """So many jobs of a user may wait."""

    def test_one_more_is_refused_until_a_check_has_ended(
        self, api: APIClient, make_media: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(submission, "MAX_WAITING_FOR_MEDIA", 2)
        media = [make_media(**UNCHECKED) for _ in range(3)]
        jobs = [{"type": "transcription", "media_id": str(media_row.pk)} for media_row in media]
        too_many = api.post("/jobs/batch", {"jobs": jobs}, format="json")
        assert (too_many.status_code, too_many.json()["code"]) == (409, "too_many_waiting_jobs")
        assert not Job.objects.exists()
        assert api.post("/jobs/batch", {"jobs": jobs[:2]}, format="json").status_code == 202
        assert submit(api, media[2]).json()["code"] == "too_many_waiting_jobs"
        assert submit(api, make_media()).status_code == 202, "what does not wait does not count"
        end_check(media[0])
        media_waits.queue_checked_jobs()
        assert submit(api, media[2]).status_code == 202

    @pytest.mark.django_db(transaction=True)
    def test_no_more_are_accepted_at_once(
        self, user: User, make_media: Make, client_of: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(submission, "MAX_WAITING_FOR_MEDIA", 2)
        media = [make_media(**UNCHECKED) for _ in range(6)]
        start = threading.Barrier(len(media))

        def ask(one: MediaFile) -> int:
            start.wait()
            try:
                return int(submit(client_of(user), one).status_code)
            finally:
                connections.close_all()

        with ThreadPoolExecutor(len(media)) as pool:
            statuses = sorted(pool.map(ask, media))
        assert statuses == [202, 202, 409, 409, 409, 409]


class TestInterruptions:
    """Killed at any moment, or by several at once: charged once."""

    def test_killed_between_the_charge_and_the_commit(
        self, api: APIClient, user: User, media: MediaFile, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        submit(api, media)
        end_check(media)

        def die() -> None:
            raise SystemExit

        with monkeypatch.context() as patched:
            patched.setattr(media_waits, "wake_on_commit", die)
            with pytest.raises(SystemExit):
                media_waits.queue_checked_jobs()
        assert ledger_rows() == []
        assert media_waits.queue_checked_jobs() == 1
        assert ledger_rows() == [("usage", -5)]

    def test_a_lost_wake_up_is_made_up_for(self, api: APIClient, media: MediaFile) -> None:
        submit(api, media)
        media_waits.queue_checked_jobs()
        MediaFile.objects.filter(pk=media.pk).update(**READY)
        latest = Job.objects.get().wake_at
        assert latest is not None
        Job.objects.update(wake_at=latest - media_waits.LONGEST_PAUSE)
        media_waits.queue_checked_jobs()
        assert Job.objects.get().credits_cost == 5

    @pytest.mark.django_db(transaction=True)
    def test_several_orchestrators_charge_once(
        self, api: APIClient, user: User, make_media: Make
    ) -> None:
        media = [make_media(**UNCHECKED) for _ in range(6)]
        for media_row in media:
            submit(api, media_row)
            end_check(media_row)
        start = threading.Barrier(3)

        def orchestrate() -> None:
            start.wait()
            try:
                media_waits.queue_checked_jobs()
            finally:
                connections.close_all()

        with ThreadPoolExecutor(3) as pool:
            for future in [pool.submit(orchestrate) for _ in range(3)]:
                future.result()
        assert ledger_rows() == [("usage", -5)] * 6
        assert sorted(Job.objects.values_list("rank", flat=True)) == list(range(1, 7))
        assert not ledger_audit.check().findings
