"""Events get their numbers: none is missed, doubled or out of order, when commits are late."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

import pytest
from django.db import IntegrityError, connection, transaction

from accounts.models import User
from gpu_tasks.runtime.errors import ErrorCode
from jobs import event_contract as contract
from jobs import lifecycle
from jobs.audit import event_verification as verification
from jobs.errors import JobError
from jobs.events import chain, log
from jobs.events.numbering import BATCH, number_events
from jobs.lifecycle.locking import lock_job, record
from jobs.models import Event, EventCursor, Job, UserEvent
from jobs.states import AttemptState
from tests.jobs.walk import bring_to, number_all

MakeJob = Callable[..., Job]


def numbered(user: User) -> list[contract.Wire]:
    number_all()
    return log.list_events(user_id=user.pk, after=None)


@pytest.mark.django_db
class TestWhatEventsTell:
    def test_a_completed_job_tells_its_life(self, user: User, make_job: MakeJob) -> None:
        job = make_job()
        bring_to(job, AttemptState.COMPLETED)
        Job.objects.filter(pk=job.pk).update(output_data={"media": [{"id": str(job.media_ids[0])}]})
        requested, started, completed = numbered(user)
        common = {"job_id": str(job.pk), "type": "transcription", "project_id": None}
        assert requested["type"] == "job.requested"
        assert requested["data"] == common | {"status": "pending", "credits_cost": 1}
        assert (started["type"], started["data"]["status"]) == ("job.started", "processing")
        assert completed["data"].pop("processing_time_ms") >= 0
        assert completed["data"] == common | {
            "status": "completed",
            "credits_cost": 1,
            "credits_refunded": 0,
            "media_ids": [str(job.media_ids[0])],
            "error": None,
        }

    def test_a_failed_job_tells_why_and_what_came_back(self, user: User, make_job: MakeJob) -> None:
        job = make_job()
        attempt = bring_to(job, AttemptState.RUNNING)
        error = JobError(ErrorCode.GPU_OOM, "Too large a film.")
        lifecycle.mark_errored(attempt_id=attempt.pk, error=error, states=[AttemptState.RUNNING])
        lifecycle.fail(attempt_id=attempt.pk, error=error)
        *_, failed = numbered(user)
        assert (failed["type"], failed["data"]["credits_refunded"]) == ("job.failed", 1)
        expected_body = {"code": "GPU_OOM", "message": "Too large a film.", "retryable": False}
        assert failed["data"]["error"] == expected_body

    def test_what_staff_did_is_told_without_their_names(
        self, user: User, make_job: MakeJob
    ) -> None:
        job = make_job()
        bring_to(job, AttemptState.RUNNING)
        lifecycle.requeue_job(job_id=job.pk, by="ann@example.com", reason="it hung")
        lifecycle.cancel(job_id=job.pk, by="ann@example.com", reason="it hung again")
        events = numbered(user)
        types = [event["type"].removeprefix("job.") for event in events]
        assert types == ["requested", "started", "retrying", "requeued", "cancelled"]
        assert "ann@" not in str(events)
        assert "hung" not in str(events)
        assert events[2]["data"]["attempt"] == 2
        last = UserEvent.objects.latest("seq")
        assert last.internal["by"] == "ann@example.com"

    def test_every_event_is_as_it_is_described(self, user: User, make_job: MakeJob) -> None:
        job = make_job()
        bring_to(job, AttemptState.RUNNING)
        lifecycle.requeue_job(job_id=job.pk, by="staff")
        lifecycle.cancel(job_id=job.pk, by="user")
        done = make_job()
        bring_to(done, AttemptState.COMPLETED)
        page = {"events": numbered(user)}
        described = contract.EventPage.model_validate(page)
        assert len(described.events) == 8
        assert not any(isinstance(value, float) for value in leaves(page))


def leaves(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        for name, item in value.items():
            assert name.isascii()
            yield from leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item)
    else:
        yield value


@pytest.mark.django_db
class TestOrder:
    def test_hashes_chain_from_zeros(self, user: User, make_job: MakeJob) -> None:
        make_job()
        make_job()
        first, second = numbered(user)
        for event, previous in ((first, "0" * 64), (second, first["hash"])):
            messages = {name: event[name] for name in ("seq", "type", "timestamp", "data")}
            assert chain.compute_hash(bytes.fromhex(previous), **messages).hex() == event["hash"]
        head = log.get_head(user.pk)
        assert (head.seq, head.hash, head.oldest_seq) == (2, second["hash"], 1)

    def test_each_user_has_numbers_of_their_own(
        self, user: User, make_user: Callable[..., User], make_job: MakeJob
    ) -> None:
        other = make_user(balance=10)
        for owner in (user, other, user):
            make_job(owner)
        assert [event["seq"] for event in numbered(user)] == [1, 2]
        assert [event["seq"] for event in numbered(other)] == [1]
        assert [position for position, *_ in log.list_events_of_all(position=0, limit=9)] == [
            1,
            2,
            3,
        ]

    def test_a_batch_goes_on_where_the_last_one_ended(self, user: User, make_job: MakeJob) -> None:
        job = make_job()
        Event.objects.bulk_create(
            Event(job=job, user=user, type="requeued", data={"status": "pending"})
            for _ in range(BATCH)
        )
        assert [number_events() for _ in range(3)] == [BATCH, 1, 0]
        assert log.get_head(user.pk).seq == BATCH + 1
        assert not any(verification.check().broken.values())


@pytest.mark.django_db
class TestWhatCannotBeTold:
    @pytest.mark.parametrize(
        ("type", "data"),
        [("retrying", {}), ("retrying", {"attempt": "two"}), ("requeued", {"status": "lost"})],
    )
    def test_it_is_set_aside_and_holds_back_nobody(
        self, user: User, make_job: MakeJob, type: str, data: dict[str, str]
    ) -> None:
        bad = Event.objects.create(job=make_job(), user=user, type=type, data=data)
        make_job()
        assert [item["type"] for item in numbered(user)] == ["job.requested"] * 2
        assert number_events() == 0
        assert list(Event.objects.exclude(set_aside_at=None)) == [bad]

    def test_mended_it_is_told(self, user: User, make_job: MakeJob) -> None:
        event = Event.objects.create(job=make_job(), user=user, type="retrying", data={})
        numbered(user)
        Event.objects.filter(pk=event.pk).update(data={"attempt": 2}, set_aside_at=None)
        assert numbered(user)[-1]["data"]["attempt"] == 2
        assert not Event.objects.exists()

    def test_the_outbox_takes_no_unknown_type(self, user: User, make_job: MakeJob) -> None:
        with pytest.raises(IntegrityError, match="job_events_of_a_type"):
            Event.objects.create(job=make_job(), user=user, type="paused")


@contextmanager
def threads(*works: Callable[[], None]) -> Iterator[None]:
    errors: list[BaseException] = []

    def run(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as exc:  # noqa: BLE001 - asserted below
            errors.append(exc)
        finally:
            connection.close()

    running = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in running:
        thread.start()
    yield
    for thread in running:
        thread.join()
    assert not errors


@pytest.mark.django_db(transaction=True)
class TestDelayedCommits:
    def test_a_late_commit_is_numbered_late_and_not_missed(
        self, user: User, make_job: MakeJob
    ) -> None:
        slow, quick = make_job(), make_job()
        numbered(user)
        written, may_commit = threading.Event(), threading.Event()

        def write_slowly() -> None:
            with transaction.atomic():
                record(lock_job(pk=slow.pk), "requeued", status="pending")
                written.set()
                may_commit.wait(60)

        with threads(write_slowly):
            assert written.wait(60)
            with transaction.atomic():
                record(lock_job(pk=quick.pk), "requeued", status="pending")
            assert number_events() == 1  # the one with the higher id
            may_commit.set()
        assert number_events() == 1
        jobs = [event["data"]["job_id"] for event in numbered(user)]
        assert jobs[2:] == [str(quick.pk), str(slow.pk)]

    def test_while_one_numbers_another_rests(self, user: User, make_job: MakeJob) -> None:
        make_job()
        number_events()
        make_job()
        locked, may_end = threading.Event(), threading.Event()

        def hold() -> None:
            with transaction.atomic():
                EventCursor.objects.select_for_update().get(name="numbering")
                locked.set()
                may_end.wait(60)

        with threads(hold):
            assert locked.wait(60)
            assert number_events() == 0
            may_end.set()
        assert len(numbered(user)) == 2

    def test_many_writers_with_delays_and_two_numberers(
        self, make_user: Callable[..., User], make_job: MakeJob
    ) -> None:
        chance = random.Random(28)
        users = [make_user(balance=10) for _ in range(3)]
        jobs = [make_job(user) for user in users for _ in range(2)]
        rounds, over = 25, threading.Event()

        def writer(seed: int) -> Callable[[], None]:
            own = random.Random(seed)

            def write() -> None:
                for turn in range(rounds):
                    job_id: UUID = own.choice(jobs).pk
                    with transaction.atomic():
                        record(lock_job(pk=job_id), "retrying", attempt=turn, error_code=None)
                        time.sleep(own.random() / 100)

            return write

        def number() -> None:
            while not over.is_set() or Event.objects.exists():
                number_events()

        with threads(number, number):
            with threads(*(writer(chance.randrange(1000)) for _ in range(6))):
                pass
            over.set()
        report = verification.verify_event_log()
        assert (report.events, report.waiting) == (6 + 6 * rounds, 0)
        assert not report.findings
        positions = list(UserEvent.objects.order_by("position").values_list("position", flat=True))
        assert positions == list(range(1, report.events + 1))
        for job in jobs:
            times = job_times(job)
            assert times == sorted(times), "events of a job are not in the order of its changes"


def job_times(job: Job) -> list[datetime]:
    return list(
        UserEvent.objects.filter(job=job).order_by("seq").values_list("created_at", flat=True)
    )
