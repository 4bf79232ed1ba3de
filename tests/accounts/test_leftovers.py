"""What staff and programs leave goes in its time: sessions, API keys, the admin's history."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.sessions.models import Session
from django.db.models.functions import Now
from rest_framework.test import APIClient

from accounts import retention
from accounts.api_keys import keys
from accounts.models import ApiKey, User
from auteur.core.api.scopes import Scope
from auteur.core.database import execute
from credits.models import KeySpending
from jobs.audit import ledger_audit
from jobs.models import Job
from jobs.retention import sweeping

pytestmark = pytest.mark.django_db

MARGIN = timedelta(minutes=1)


def session(ended: timedelta) -> str:
    key = uuid.uuid4().hex
    Session.objects.create(session_key=key, session_data="", expire_date="2100-01-01T00:00:00Z")
    Session.objects.filter(pk=key).update(expire_date=Now() - ended)
    return key


def test_ended_sessions_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "ROWS_AT_ONCE", 2)
    for _ in range(3):
        session(MARGIN)
    kept = session(-MARGIN)
    assert [retention.delete_ended_sessions() for _ in range(3)] == [2, 1, 0]
    assert list(Session.objects.values_list("pk", flat=True)) == [kept]


class TestApiKeys:
    @pytest.fixture(autouse=True)
    def days(self, settings: Any) -> None:
        settings.API_KEYS_KEPT_DAYS = 100

    @pytest.fixture
    def key(self, user: User) -> Callable[..., ApiKey]:
        """One that was used, or not, and ended so long ago."""

        def make(ended: timedelta | None, *, is_used: bool, column: str = "revoked_at") -> ApiKey:
            row = keys.create_key(
                user_id=user.pk,
                name="My laptop",
                scopes=[Scope.JOBS],
                allowed_addresses=["203.0.113.0/24"],
            ).row
            values = {column: Now() - ended} if ended is not None else {}
            used = {"last_used_at": Now()} if is_used else {}
            ApiKey.objects.filter(pk=row.pk).update(**values, **used)
            return row

        return make

    @pytest.mark.parametrize("column", ["revoked_at", "expires_at"])
    def test_long_ended_ones_that_were_used_lose_their_names(
        self, key: Callable[..., ApiKey], column: str
    ) -> None:
        days = timedelta(days=100)
        old = key(days + MARGIN, is_used=True, column=column)
        young = key(days - MARGIN, is_used=True, column=column)
        good = key(None, is_used=True)
        assert (retention.delete_old_keys(), retention.delete_old_keys()) == (1, 0)
        for row in (old, young, good):
            row.refresh_from_db()
        assert (old.name, old.allowed_addresses) == ("", [])
        assert (young.name, good.name) == ("My laptop", "My laptop")
        assert KeySpending.objects.filter(pk=old.pk).exists()

    def test_those_that_were_never_used_go(self, key: Callable[..., ApiKey]) -> None:
        unused = key(timedelta(days=101), is_used=False)
        good = key(None, is_used=False)
        assert (retention.delete_old_keys(), retention.delete_old_keys()) == (1, 0)
        assert list(ApiKey.objects.values_list("pk", flat=True)) == [good.pk]
        assert not KeySpending.objects.filter(pk=unused.pk).exists()

    def test_nought_is_for_ever(self, key: Callable[..., ApiKey], settings: Any) -> None:
        settings.API_KEYS_KEPT_DAYS = 0
        key(timedelta(days=3000), is_used=True)
        assert retention.delete_old_keys() == 0

    def test_the_books_still_add_up(
        self, user: User, make_media: Callable[..., Any], api: APIClient
    ) -> None:
        new = keys.create_key(user_id=user.pk, name="Spends", scopes=[Scope.JOBS])
        client = APIClient(headers={"authorization": f"Bearer {new.key}"})
        body = {"media_id": str(make_media().pk)}
        assert client.post("/jobs/transcription", body, format="json").status_code == 202
        ApiKey.objects.filter(pk=new.row.pk).update(revoked_at=Now() - timedelta(days=101))
        assert retention.delete_old_keys() == 1
        assert KeySpending.objects.get(pk=new.row.pk).spent > 0
        assert Job.objects.get().api_key_id == ApiKey.objects.get().pk
        assert ledger_audit.check().total == 0
        document = api.get(f"/api-keys/{new.row.pk}").json()
        assert (document["name"], document["allowed_addresses"]) == ("", [])


class TestAdminLog:
    @pytest.fixture
    def entry(self, user: User) -> Callable[[timedelta], LogEntry]:
        def make(age: timedelta) -> LogEntry:
            at = Now() - age
            values = {"user": user, "object_id": "1", "object_repr": "x", "action_flag": CHANGE}
            return LogEntry.objects.create(**values, action_time=at)

        return make

    def test_it_is_kept_unless_it_is_set(self, entry: Callable[..., LogEntry]) -> None:
        entry(timedelta(days=4000))
        assert retention.delete_old_log_entries() == 0
        assert LogEntry.objects.count() == 1

    def test_it_goes_after_its_days(
        self, entry: Callable[..., LogEntry], settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.ADMIN_LOG_KEPT_DAYS = 400
        monkeypatch.setattr(retention, "ROWS_AT_ONCE", 2)
        for _ in range(3):
            entry(timedelta(days=400) + MARGIN)
        young = entry(timedelta(days=400) - MARGIN)
        assert [retention.delete_old_log_entries() for _ in range(3)] == [2, 1, 0]
        assert list(LogEntry.objects.all()) == [young]

    def test_the_database_itself_removes_nothing_of_a_year(
        self, entry: Callable[..., LogEntry]
    ) -> None:
        entry(timedelta(days=365) + MARGIN)
        young = entry(timedelta(days=365) - MARGIN)
        for days in (0, -1000, 1, None):
            values = {"days": days, "limit": 100}
            execute("SELECT remove_old_admin_log(%(days)s::int, %(limit)s::int)", values)
            assert list(LogEntry.objects.all()) == [young]

    def test_it_still_only_grows_after_that(self, entry: Callable[..., LogEntry]) -> None:
        kept = entry(timedelta(0))
        values = {"days": 365, "limit": 100}
        execute("SELECT remove_old_admin_log(%(days)s::int, %(limit)s::int)", values)
        with pytest.raises(Exception, match="append-only"):
            LogEntry.objects.filter(pk=kept.pk).delete()


def test_the_orchestrator_does_it() -> None:
    done = {sweep.remove for sweep in sweeping.SWEEPS}
    removals = (
        retention.delete_ended_sessions,
        retention.delete_old_keys,
        retention.delete_old_log_entries,
    )
    assert done.issuperset(removals)
