"""Rows leave only when a part that was read back holds them; a death in between loses nothing."""

import io
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from pyarrow import parquet
from rest_framework.test import APIClient

from accounts.models import User
from credits.models import CreditTransaction
from jobs.archive import parts, sources, walking
from jobs.archive.models import ArchivePart, ArchiveWalk
from jobs.audit import event_verification as verification
from jobs.audit import ledger_audit
from jobs.models import Attempt, Job, UserEvent
from jobs.retention import sweeping
from jobs.states import AttemptState
from media import orphans
from media.storage import ARCHIVE, MAX_WRITE_LIFETIME, InvalidKey, object_storage
from media.storage.owners import find_prefix, list_referenced_keys, lock_expected_upload
from tests.jobs.walk import bring_to, number_all

pytestmark = pytest.mark.django_db

MakeJob = Callable[..., Job]
KEPT = timedelta(days=31)
"""Of the settings below, with the day that must be over."""
BY_TABLE = {source.table: source for source in sources.SOURCES}


class KilledError(BaseException):
    """A process dies."""


@pytest.fixture(autouse=True)
def archive(settings: Any) -> Iterator[None]:
    settings.ARCHIVE = "storage"
    settings.EVENTS_KEPT_DAYS = 30
    settings.ATTEMPTS_KEPT_DAYS = 30
    yield
    for one in object_storage().list_objects(f"{ARCHIVE}/"):
        object_storage().delete(one.key)


def turn(times: int = 1) -> int:
    removed = 0
    for _ in range(times):
        ArchiveWalk.objects.update(next_at=Now())
        removed += sum(walking.turn(source) for source in sources.SOURCES)
    return removed


def rows_of(table: str) -> list[dict[str, Any]]:
    """All that the archive holds of a table, in the order of its parts."""
    storage = object_storage()
    return [
        row
        for part in ArchivePart.objects.filter(table=table).order_by("pk")
        for row in parquet.read_table(
            io.BytesIO(storage.read(part.object_key, parts.MAX_BYTES))
        ).to_pylist()
    ]


def objects() -> list[str]:
    return [one.key for one in object_storage().list_objects(f"{ARCHIVE}/")]


def ago(age: timedelta) -> datetime:
    return datetime.now(UTC) - age


def day_that_is_over(days: int) -> datetime:
    """Noon of the last day that is over since so long."""
    return sources.day_of(ago(timedelta(days=days))) - timedelta(hours=12)


@pytest.fixture
def events(make_job: MakeJob) -> list[UserEvent]:
    """Four, of which the first three are due."""
    for _ in range(4):
        make_job()
    number_all()
    found = list(UserEvent.objects.order_by("position"))
    at = day_that_is_over(30)
    UserEvent.objects.exclude(pk=found[-1].pk).update(created_at=at)
    return found


@pytest.fixture
def attempts(make_job: MakeJob) -> list[Attempt]:
    """Of three jobs that ended long ago."""
    found = []
    for day in (40, 40, 41):
        attempt = bring_to(make_job(), AttemptState.COMPLETED)
        at = ago(timedelta(days=day))
        Attempt.objects.filter(pk=attempt.pk).update(created_at=at)
        Job.objects.filter(pk=attempt.job_id).update(completed_at=at)
        found.append(attempt)
    return found


class TestEvents:
    def test_those_that_are_due_leave_and_are_there(self, events: list[UserEvent]) -> None:
        assert turn() == 3
        assert list(UserEvent.objects.all()) == events[3:]
        written = rows_of("user_events")
        assert [row["seq"] for row in written] == [1, 2, 3]
        assert [row["hash"] for row in written] == [bytes(one.hash) for one in events[:3]]
        assert written[0]["type"] == "job.requested"
        assert written[0]["user_id"] == str(events[0].user_id)
        assert verification.check().findings == []

    def test_the_object_is_named_by_table_month_and_span(self, events: list[UserEvent]) -> None:
        turn()
        month = f"{day_that_is_over(30):year=%Y/month=%m}"
        span = f"{events[0].position}-{events[2].position}"
        assert objects() == [f"archive/user_events/{month}/part-{span}.parquet"]

    def test_a_day_must_be_over(self, events: list[UserEvent]) -> None:
        start = sources.day_of(ago(timedelta(days=30)))
        UserEvent.objects.update(created_at=start)
        assert (turn(), objects()) == (0, [])
        UserEvent.objects.update(created_at=start - timedelta(microseconds=1))
        assert turn() == 4

    @pytest.mark.usefixtures("events")
    def test_nothing_else_removes_them(self, settings: Any) -> None:
        assert sweeping.delete_old_events() == 0
        settings.ARCHIVE = "none"
        assert turn() == 0
        assert sweeping.delete_old_events() == 3
        assert not ArchivePart.objects.exists()

    def test_a_part_is_of_one_month(self, events: list[UserEvent]) -> None:
        for event, month in zip(events, (1, 1, 2, 2), strict=True):
            at = datetime(2024, month, 15, tzinfo=UTC)
            UserEvent.objects.filter(pk=event.pk).update(created_at=at)
        assert turn(3) == 4
        assert [key.split("/")[3] for key in objects()] == ["month=01", "month=02"]

    def test_a_part_has_an_end(
        self, events: list[UserEvent], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(walking, "PART_ROWS", 2)
        assert (turn(), turn(), turn()) == (2, 1, 0)
        assert [row["seq"] for row in rows_of("user_events")] == [1, 2, 3]
        assert len(objects()) == 2
        assert events

    def test_one_at_a_time_and_a_part_a_minute(self, events: list[UserEvent]) -> None:
        assert walking.turn(BY_TABLE["user_events"]) == 3
        assert walking.turn(BY_TABLE["user_events"]) == 0
        wait = ArchiveWalk.objects.get(table="user_events").next_at - datetime.now(UTC)
        assert timedelta(seconds=50) < wait <= walking.TURN
        assert events

    def test_no_text_of_people_is_in_it(self, events: list[UserEvent]) -> None:
        data = {**events[0].data, "error": {"code": "INPUT_INVALID", "message": "mark7q.wav"}}
        UserEvent.objects.filter(pk=events[0].pk).update(data=data, internal={"by": "mark7q"})
        turn()
        [key] = objects()
        read = parquet.read_table(io.BytesIO(object_storage().read(key, parts.MAX_BYTES)))
        assert "mark7q" not in str(read.to_pylist())
        assert read.to_pylist()[0]["error_code"] == "INPUT_INVALID"


class TestDeaths:
    @pytest.mark.parametrize(
        "place", ["archive_before_write", "archive_before_delete", "archive_before_move"]
    )
    def test_who_comes_next_goes_on(
        self, events: list[UserEvent], monkeypatch: pytest.MonkeyPatch, place: str
    ) -> None:
        def die(name: str) -> None:
            if name == place:
                raise KilledError

        with monkeypatch.context() as patched:
            patched.setattr(walking, "failpoint", die)
            with pytest.raises(KilledError):
                turn()
        # More is due by then, and a part may have another length.
        UserEvent.objects.update(created_at=day_that_is_over(30))
        monkeypatch.setattr(walking, "PART_ROWS", 1)
        turn(2)
        assert [row["seq"] for row in rows_of("user_events")] == [1, 2, 3, 4]
        assert not UserEvent.objects.exists()
        assert len(objects()) == ArchivePart.objects.count() == 2

    @pytest.mark.parametrize("damage", ["nothing", "less", "another"])
    def test_what_is_not_read_back_stays(
        self, events: list[UserEvent], monkeypatch: pytest.MonkeyPatch, damage: str
    ) -> None:
        storage = object_storage()
        read = storage.read

        def damaged(key: str, max_bytes: int) -> bytes:
            whole = read(key, max_bytes)
            if damage == "nothing":
                return b""
            if damage == "less":
                return whole[: len(whole) // 2]
            table = parquet.read_table(io.BytesIO(whole))
            sink = io.BytesIO()
            parquet.write_table(table.slice(1), sink)
            return sink.getvalue()

        with monkeypatch.context() as patched:
            patched.setattr(storage, "read", damaged)
            with pytest.raises(parts.DamagedPartError):
                turn()
        assert UserEvent.objects.count() == len(events)
        assert ArchivePart.objects.get().verified_at is None
        assert turn() == 3

    def test_more_than_was_written_is_not_deleted(
        self, events: list[UserEvent], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Such as a row that came late into a span."""
        rows = sources.Source.rows

        def without_the_last(source: Any, *given: Any, **options: Any) -> list[Any]:
            found = rows(source, *given, **options)
            is_written = source.table == "user_events" and options["limit"] is None
            return [found[0], found[2]] if is_written else found

        monkeypatch.setattr(sources.Source, "rows", without_the_last)
        with pytest.raises(parts.DamagedPartError):
            turn()
        assert UserEvent.objects.count() == len(events)

    def test_a_user_who_leaves_meanwhile_leaves_no_part(
        self, events: list[UserEvent], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def die(*_: Any) -> None:
            raise KilledError

        with monkeypatch.context() as patched:
            patched.setattr(parts, "write", die)
            with pytest.raises(KilledError):
                turn()
        UserEvent.objects.filter(pk__in=[one.pk for one in events]).delete()
        assert turn() == 0
        assert (ArchivePart.objects.count(), objects()) == (0, [])


class TestLateness:
    """Of a process that wakes when its lease is over, and another was at it."""

    @pytest.fixture
    def frozen(
        self, events: list[UserEvent], monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[Callable[[str], int]]:
        """A turn during which, at a failpoint, others come once with two parts of one row each."""

        def run(place: str) -> int:
            def sleep(name: str) -> None:
                if name == place:
                    monkeypatch.setattr(walking, "failpoint", lambda _: None)
                    turn(2)

            monkeypatch.setattr(walking, "PART_ROWS", 1)
            monkeypatch.setattr(walking, "failpoint", sleep)
            return walking.turn(BY_TABLE["user_events"])

        yield run
        assert events

    @pytest.mark.parametrize(
        "place", ["archive_before_write", "archive_before_delete", "archive_before_move"]
    )
    def test_nothing_that_was_verified_goes_and_nothing_is_set_back(
        self, frozen: Callable[[str], int], events: list[UserEvent], place: str
    ) -> None:
        frozen(place)
        count = len(objects())
        assert count == ArchivePart.objects.exclude(verified_at=None).count() >= 1
        after = ArchiveWalk.objects.get(table="user_events").after
        assert after == str(events[1].position)
        turn(3)
        assert [row["seq"] for row in rows_of("user_events")] == [1, 2, 3]
        assert UserEvent.objects.get() == events[3]

    def test_the_lease_of_another_stays(
        self, events: list[UserEvent], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        theirs = datetime.now(UTC) + walking.LEASE * 2

        def sleep(name: str) -> None:
            ArchiveWalk.objects.filter(table="user_events").update(next_at=theirs)

        monkeypatch.setattr(walking, "failpoint", sleep)
        assert walking.turn(BY_TABLE["user_events"]) == len(events) - 1
        assert ArchiveWalk.objects.get(table="user_events").next_at == theirs

    def test_a_verified_part_is_not_dropped(self, events: list[UserEvent]) -> None:
        turn()
        part = ArchivePart.objects.get()
        assert (parts.drop(part), len(objects())) == (False, 1)
        ArchivePart.objects.update(verified_at=None)
        assert (parts.drop(part), objects(), ArchivePart.objects.count()) == (True, [], 0)
        with pytest.raises(parts.DamagedPartError, match="dropped"):
            parts.write(part, BY_TABLE["user_events"], [(True, *[None] * 14)])
        assert events

    def test_what_was_half_written_is_dropped_where_archiving_is_off(
        self, attempts: list[Attempt], monkeypatch: pytest.MonkeyPatch, settings: Any
    ) -> None:
        def die(name: str) -> None:
            raise KilledError

        with monkeypatch.context() as patched:
            patched.setattr(walking, "failpoint", die)
            with pytest.raises(KilledError):
                turn()
        settings.ARCHIVE = "none"
        assert turn(5) == len(attempts)
        assert (ArchivePart.objects.count(), objects()) == (0, [])

    def test_the_walk_is_not_set_back_to_an_old_part(
        self, events: list[UserEvent], monkeypatch: pytest.MonkeyPatch, settings: Any
    ) -> None:
        def die(name: str) -> None:
            if name == "archive_before_delete":
                raise KilledError

        with monkeypatch.context() as patched:
            patched.setattr(walking, "failpoint", die)
            with pytest.raises(KilledError):
                turn()
        settings.ARCHIVE = "none"
        UserEvent.objects.update(created_at=day_that_is_over(31))
        assert sweeping.delete_old_events() == 4
        settings.ARCHIVE = "storage"
        assert turn() == 0
        walk = ArchiveWalk.objects.get(table="user_events")
        assert walk.after == str(events[3].position)
        assert ArchivePart.objects.get().finished_at is not None


class TestAttempts:
    def test_they_leave_with_their_day(self, attempts: list[Attempt], api: APIClient) -> None:
        before = api.get(f"/jobs/{attempts[0].job_id}").json()
        assert turn(4) == 3
        assert not Attempt.objects.exists()
        assert {row["id"] for row in rows_of("job_attempts")} == {str(one.pk) for one in attempts}
        assert {row["state"] for row in rows_of("job_attempts")} == {"completed"}
        after = api.get(f"/jobs/{attempts[0].job_id}").json()
        assert after["status"] == before["status"] == "completed"
        assert after["output_data"] == before["output_data"]
        assert ledger_audit.check().total == 0

    def test_what_has_ended_lately_stays_until_the_walk_comes_again(
        self, attempts: list[Attempt]
    ) -> None:
        late = Job.objects.filter(pk=attempts[2].job_id)
        late.update(completed_at=sources.day_of(ago(timedelta(days=30))))
        assert (turn(5), Attempt.objects.get()) == (2, attempts[2])
        late.update(completed_at=ago(KEPT))
        assert turn(3) == 1
        assert len(rows_of("job_attempts")) == 3

    def test_a_page_with_none_that_is_due_is_passed(
        self, attempts: list[Attempt], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(walking, "PART_ROWS", 1)
        first = min(attempts, key=lambda one: one.pk)
        Job.objects.filter(pk=first.job_id).update(completed_at=Now())
        assert [turn() for _ in range(4)] == [0, 1, 1, 0]
        assert ArchiveWalk.objects.get(table="job_attempts").after == ""

    def test_what_goes_on_stays(self, attempts: list[Attempt], make_job: MakeJob) -> None:
        running = bring_to(make_job(), AttemptState.RUNNING)
        Attempt.objects.filter(pk=running.pk).update(created_at=ago(timedelta(days=44)))
        assert (turn(3), Attempt.objects.get()) == (len(attempts), running)

    def test_the_statement_itself_leaves_what_goes_on(self, make_job: MakeJob) -> None:
        running = bring_to(make_job(), AttemptState.RUNNING)
        later = datetime.now(UTC) + timedelta(days=1)
        everything = ("", str(sources.LAST_ID))
        assert BY_TABLE["job_attempts"].delete(*everything, due_before=later) == 0
        assert Attempt.objects.get() == running

    @pytest.mark.usefixtures("attempts")
    def test_without_an_archive_they_go_as_well(self, settings: Any) -> None:
        settings.ARCHIVE = "none"
        assert turn(5) == 3
        assert (ArchivePart.objects.count(), objects()) == (0, [])

    @pytest.mark.usefixtures("attempts")
    def test_nought_is_for_ever(self, settings: Any) -> None:
        settings.ATTEMPTS_KEPT_DAYS = 0
        assert turn(5) == 0
        assert Attempt.objects.count() == 3


class TestLedger:
    def test_it_is_copied_and_stays(self, make_job: MakeJob, user: User) -> None:
        make_job()
        rows = CreditTransaction.objects.order_by("seq")
        User.objects.filter(pk=user.pk).update(created_at=ago(timedelta(days=5)))
        assert (turn(3), rows_of("credit_transactions")) == (0, [])  # of today
        before = list(rows.values())
        assert _aged(timedelta(days=3)) == len(before)
        ArchiveWalk.objects.all().delete()
        assert turn(6) == 0
        written = rows_of("credit_transactions")
        assert [row["seq"] for row in written] == [one["seq"] for one in before]
        assert [row["amount"] for row in written] == [one["amount"] for one in before]
        assert rows.count() == len(before)
        assert turn(3) == 0
        assert len(rows_of("credit_transactions")) == len(before)

    def test_days_without_any_are_passed(
        self, make_job: MakeJob, user: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make_job()
        _aged(timedelta(days=3))
        User.objects.filter(pk=user.pk).update(created_at=ago(timedelta(days=30)))
        monkeypatch.setattr(walking, "DAYS_A_TURN", 10)
        turn(2)
        assert rows_of("credit_transactions") == []
        turn(2)
        assert len(rows_of("credit_transactions")) == 2


def _aged(age: timedelta) -> int:
    """Make the ledger older, as the owner of the table could."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")  # without triggers
        cursor.execute("UPDATE credit_transactions SET created_at = created_at - %s", [age])
        changed = cursor.rowcount
        cursor.execute("SET LOCAL session_replication_role = origin")
        return int(changed)


class TestObjects:
    def test_they_are_owned_and_nothing_there_is_an_orphan(self, events: list[UserEvent]) -> None:
        turn()
        found = object_storage().list_objects(f"{ARCHIVE}/")
        later = datetime.now(UTC) + 2 * MAX_WRITE_LIFETIME
        assert orphans.list_orphans(found, before=later) == []
        assert list_referenced_keys(found) == {found[0].key: found[0].size_bytes}
        ArchivePart.objects.all().delete()
        object_storage().write(f"{ARCHIVE}/backups/of-others.sql", b"abc", "text/plain")
        found = object_storage().list_objects(f"{ARCHIVE}/")
        assert (len(found), orphans.list_orphans(found, before=later)) == (2, [])
        assert events

    def test_a_folder_of_that_name_is_no_users(self) -> None:
        assert find_prefix(f"users/{uuid.uuid4()}/{ARCHIVE}/x") is None
        assert find_prefix(f"{ARCHIVE}/user_events/x") == ARCHIVE
        assert find_prefix("media/user_events/x") is None

    def test_no_url_of_them_is_signed_and_none_is_taken(self, events: list[UserEvent]) -> None:
        turn()
        [key] = objects()
        storage = object_storage()
        for sign in (
            lambda: storage.presigned_get(key),
            lambda: storage.presigned_put(key, content_type="text/plain"),
            lambda: storage.presigned_part(key, "upload", number=1, size_bytes=1),
        ):
            with pytest.raises(InvalidKey):
                sign()
        with pytest.raises(Exception, match="Not found"), lock_expected_upload(key):
            pass
        assert events

    def test_they_go_after_their_days(self, events: list[UserEvent], settings: Any) -> None:
        turn()
        settings.ARCHIVE_KEPT_DAYS = 10
        margin = timedelta(minutes=1)
        ArchivePart.objects.update(created_at=Now() - timedelta(days=10) + margin)
        assert (parts.remove_old(), len(objects())) == (0, 1)
        ArchivePart.objects.update(created_at=Now() - timedelta(days=10) - margin)
        settings.ARCHIVE_KEPT_DAYS = 0
        assert parts.remove_old() == 0
        settings.ARCHIVE_KEPT_DAYS = 10
        assert (parts.remove_old(), objects(), ArchivePart.objects.count()) == (1, [], 0)
        assert events


def test_the_orchestrator_does_it() -> None:
    names = {sweep.name for sweep in sweeping.SWEEPS}
    assert {f"archived rows of {source.table}" for source in sources.SOURCES} < names
    assert parts.remove_old in {sweep.remove for sweep in sweeping.SWEEPS}


def test_a_stuck_part_of_one_table_keeps_no_other(
    events: list[UserEvent], attempts: list[Attempt], monkeypatch: pytest.MonkeyPatch
) -> None:
    write = parts.write

    def stuck(part: ArchivePart, source: sources.Source, rows: Any) -> None:
        if source.table == "user_events":
            raise parts.DamagedPartError
        write(part, source, rows)

    monkeypatch.setattr(parts, "write", stuck)
    sweeping.sweep_all()
    assert UserEvent.objects.filter(pk__in=[one.pk for one in events]).count() == len(events)
    assert not Attempt.objects.filter(pk__in=[one.pk for one in attempts]).exists()
