"""Lists that are longer than they are counted: read by their indexes, and not sorted by columns."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from auteur.core import admin
from jobs.models import Job
from jobs.states import AttemptState
from media.models import MediaFile
from projects.models import Project
from tests.admin.conftest import list_url
from tests.jobs.walk import bring_to


@pytest.fixture
def jobs(user, make_job):
    """Three, and bounds of two."""
    result = [make_job() for _ in range(3)]
    for age, job in enumerate(result):
        Job.objects.filter(pk=job.pk).update(
            created_at=timezone.now() - timedelta(days=age), credits_cost=age
        )
    return result


def rows(page: str) -> list[str]:
    """The jobs on a page, by their order."""
    return [
        piece[:8]
        for piece in page.split('field-short_id"><a')[1:]
        for piece in [piece[piece.index(">") + 1 :]]
    ]


@pytest.mark.parametrize(("limit", "said"), [(2, True), (3, False)])
def test_no_more_is_counted_than_the_bound(root, jobs, monkeypatch, limit, said):
    monkeypatch.setattr(admin, "MAX_COUNTED", limit)
    with CaptureQueriesContext(connection) as captured:
        page = root.list(Job)
    assert (f"(the first of more than {limit:,})" in page) is said
    counts = [
        query["sql"] for query in captured if "COUNT(" in query["sql"] and "jobs" in query["sql"]
    ]
    assert counts
    assert all(f"LIMIT {limit + 1}" in count for count in counts)


@pytest.mark.parametrize(("limit", "is_sorted"), [(2, False), (3, True)])
def test_only_what_is_short_is_sorted_by_columns(root, jobs, monkeypatch, limit, is_sorted):
    monkeypatch.setattr(admin, "MAX_COUNTED", limit)
    newest_first = [str(job.pk)[-8:] for job in jobs]
    by_cost = newest_first[::-1]
    output = rows(root.list(Job, o="-5"))
    assert output == (by_cost if is_sorted else newest_first)[: len(output)]
    assert len(output) >= limit


@pytest.mark.parametrize("model", [Job, MediaFile, Project])
def test_everybodys_rows_are_ordered_by_an_index_of_their_own(root, jobs, model):
    for filters in ({}, {"created_at__gte": "2020-01-01 00:00:00+00:00"}):
        with CaptureQueriesContext(connection) as captured:
            assert root.client.get(list_url(model), filters).status_code == 200
        lists = [
            query["sql"]
            for query in captured
            if "ORDER BY timezone('UTC'" in query["sql"] and model._meta.db_table in query["sql"]
        ]
        assert len(lists) == 1
        if filters:
            assert ">= (timezone('UTC', '2020-01-01" in lists[0]


def test_a_clients_rows_are_ordered_by_theirs(root, user, jobs):
    with CaptureQueriesContext(connection) as captured:
        page = root.list(Job, user__id__exact=str(user.pk))
    assert len(rows(page)) == 3
    assert not any("timezone(" in query["sql"] for query in captured)


def test_a_time_narrows_the_list(root, jobs):
    since = (timezone.now() - timedelta(hours=30)).isoformat(sep=" ")
    output = rows(root.list(Job, created_at__gte=since))
    assert output == [str(job.pk)[-8:] for job in jobs[:2]]


def test_what_is_being_worked_on_is_found_among_what_is_due(root, jobs):
    bring_to(jobs[1], AttemptState.RUNNING)
    with CaptureQueriesContext(connection) as captured:
        assert rows(root.list(Job, status__exact="processing")) == [str(jobs[1].pk)[-8:]]
    assert any('"wake_at" IS NOT NULL' in query["sql"] for query in captured)
    assert len(rows(root.list(Job, status__exact="pending"))) == 2
    assert len(rows(root.list(Job, type="transcription"))) == 3
    assert rows(root.list(Job, type="render")) == []
