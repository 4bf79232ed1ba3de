"""What users ask of the API: counted by what it was, never by what was in it."""

from collections.abc import Iterator

import pytest
from django.core.exceptions import MiddlewareNotUsed
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from accounts.models import User
from jobs.integrations.streams import usage
from jobs.integrations.streams.encoding import create_encoder, decode
from jobs.integrations.streams.models import ApiUsage
from jobs.integrations.streams.usage import Use

pytestmark = pytest.mark.django_db
COLUMNS = ("user_id", "route", "method", "status_class", "requests")


@pytest.fixture(autouse=True)
def nothing_is_counted() -> Iterator[None]:
    """What other tests have asked is forgotten, and what these ask."""
    usage._counts.clear()
    yield
    usage._counts.clear()


def rows() -> set[tuple[object, ...]]:
    usage.flush()
    return set(ApiUsage.objects.values_list(*COLUMNS))


class TestCounting:
    def test_what_was_asked_how_often_and_how_it_went(
        self, api: APIClient, user: User, make_job
    ) -> None:
        job = make_job()
        for _ in range(3):
            assert api.get(f"/jobs/{job.pk}").status_code == 200
        assert api.get(f"/jobs/{job.pk}?token=secret").status_code == 400
        assert api.get(f"/jobs/{user.pk}").status_code == 404
        assert api.post("/projects", {"name": "Film"}, format="json").status_code == 201
        assert rows() == {
            (user.pk, "/jobs/{job_id}", "GET", "2xx", 3),
            (user.pk, "/jobs/{job_id}", "GET", "4xx", 2),
            (user.pk, "/projects", "POST", "2xx", 1),
        }

    def test_each_user_is_counted_alone(self, client_of, make_user) -> None:
        first, other = make_user(), make_user()
        for who in (first, other, other):
            client_of(who).get("/credits")
        assert rows() == {
            (first.pk, "/credits", "GET", "2xx", 1),
            (other.pk, "/credits", "GET", "2xx", 2),
        }

    def test_a_method_that_nobody_knows_is_no_counter_of_its_own(
        self, api: APIClient, user: User
    ) -> None:
        for name in ("BREW", "x" * 5000):
            assert api.generic(name, "/credits").status_code == 405
        assert rows() == {(user.pk, "/credits", "OTHER", "4xx", 2)}

    def test_who_is_not_signed_in_there_is_not_counted(self, make_user) -> None:
        browser = Client()
        browser.force_login(make_user(is_staff=True, is_superuser=True))
        assert APIClient().get("/credits").status_code == 401
        assert APIClient().get("/health/live").status_code == 200
        assert APIClient().get("/nowhere").status_code == 404
        assert browser.get("/admin/").status_code == 200
        assert rows() == set()

    def test_it_asks_the_database_for_nothing(self, api: APIClient) -> None:
        api.get("/credits")
        with CaptureQueriesContext(connection) as queries:
            api.get("/credits")
        assert not [query for query in queries if "api_usage" in query["sql"]]

    def test_counters_are_bounded(self, user: User, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(usage, "MAX_COUNTERS", 2)
        uses = [Use(user.pk, f"/{n}", "GET", "2xx") for n in range(3)]
        for use in (*uses, uses[0]):
            usage._add_counts({use: 1})
        assert rows() == {(*uses[0], 2), (*uses[1], 1)}


class TestRows:
    def use(self, user: User, requests: int = 1) -> None:
        usage._add_counts({Use(user.pk, "/jobs", "POST", "2xx"): requests})

    def test_they_are_told_until_the_sink_has_them(self, user: User) -> None:
        self.use(user, requests=5)
        usage.flush()
        self.use(user)
        usage.flush()
        [(first, record)] = usage.list_oldest(1)
        assert (record.stream, record.key, record.seq) == ("analytics.events", str(user.pk), None)
        messages = {
            name: value
            for name, value in decode(create_encoder()(record)).items()
            if value is not None
        }
        assert messages.pop("timestamp") == int(record.timestamp.timestamp() * 1000)
        assert messages == {
            "event": "api.usage",
            "user_id": str(user.pk),
            "usage_id": first,
            "route": "/jobs",
            "method": "POST",
            "status_class": "2xx",
            "requests": 5,
        }
        assert usage.list_oldest(1) == [(first, record)]
        usage.delete_rows([first])
        [(second, record)] = usage.list_oldest(10)
        assert (second > first, record.value["requests"]) == (True, 1)
        usage.delete_rows([second])
        assert usage.list_oldest(10) == []

    def test_nothing_counted_asks_the_database_nothing(self, django_assert_num_queries) -> None:
        with django_assert_num_queries(0):
            usage.flush()

    def test_what_could_not_be_stored_is_stored_later(
        self, user: User, caplog: pytest.LogCaptureFixture
    ) -> None:
        self.use(user, requests=2)
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE api_usage RENAME TO elsewhere")
            usage.flush()
            assert "usage is not stored yet" in caplog.text
            self.use(user)
            cursor.execute("ALTER TABLE elsewhere RENAME TO api_usage")
        assert rows() == {(user.pk, "/jobs", "POST", "2xx", 3)}

    def test_no_more_rows_than_so_many_wait(
        self, user: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(usage, "MAX_ROWS", 2)
        for _ in range(5):
            self.use(user)
            usage.flush()
        assert ApiUsage.objects.count() == 3
        assert "2 rows wait for a sink" in caplog.text
        usage.delete_rows([number for number, _ in usage.list_oldest(2)])
        self.use(user)
        assert len(rows()) == 1
        assert ApiUsage.objects.count() == 2


def test_without_a_sink_nothing_is_counted(settings) -> None:
    settings.STREAMS_SINK = "none"
    with pytest.raises(MiddlewareNotUsed):
        usage.CountUsage(lambda request: HttpResponse())
