"""Lists of a user with many jobs: what is read is a page, whatever is asked for."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from rest_framework.test import APIClient

from accounts.models import User
from jobs import queries
from jobs.models import Job
from jobs.states import ClientStatus
from media import quota
from media.models import MediaFile
from projects.models import Project
from tests.jobs.orchestrator.test_admission import read_rows

MANY = 20_000
PAGE_ROWS = 1_000
"""More than a page of 50 needs with attempts and retries, and far less than there are."""

FILL = """
INSERT INTO jobs (user_id, project_id, type, gpu_class, rank, media_ids, status, credits_cost,
                  price_version, start_deadline_at, wake_at, completed_at, created_at,
                  error_code, error_message)
SELECT (ARRAY[%(mine)s, %(others)s]::uuid[])[1 + n %% 2], %(project)s, %(type)s, 'CPU', n, '{}',
       %(status)s, 0, 'x', now(), CASE WHEN %(status)s = 'pending' THEN now() END,
       CASE WHEN %(status)s <> 'pending' THEN now() END, now() - n * interval '1 second',
       CASE WHEN %(status)s = 'failed' THEN 'MODEL_ERROR' END,
       CASE WHEN %(status)s = 'failed' THEN 'x' END
FROM generate_series(1, %(many)s) AS n
"""
FILTERS: list[dict[str, Any]] = [
    {},
    *({"status": status} for status in ClientStatus),
    {"type": "transcription"},
    {"type": "noop"},
    {"type": "noop", "status": "failed"},
    {"project_id": "small"},
    {"project_id": "large"},
    {"created_before": "2000-01-01T00:00:00Z"},
    {"sort": "created_at"},
    {"sort": "created_at", "type": "noop"},
]


@pytest.fixture
def busy(user: User, make_user: Callable[..., User], project: Project) -> dict[str, str]:
    """Half of many completed jobs are the user's, a few are of another kind; projects by name."""
    small = Project.objects.create(user=user, name="Small")
    many: dict[str, Any] = {"mine": user.pk, "others": make_user().pk, "type": "transcription"}
    few = {**many, "type": "noop", "many": 20}
    with connection.cursor() as cursor:
        cursor.execute(FILL, {**many, "project": project.pk, "status": "completed", "many": MANY})
        for status in ("pending", "failed", "cancelled"):
            cursor.execute(FILL, {**few, "project": small.pk, "status": status})
        cursor.execute("ANALYZE jobs")
    return {"small": str(small.pk), "large": str(project.pk)}


@pytest.fixture
def project(user: User) -> Project:
    return Project.objects.create(user=user, name="Large")


@pytest.mark.parametrize("wanted", FILTERS, ids=str)
def test_a_page_is_what_is_read(
    api: APIClient, user: User, busy: dict[str, str], wanted: dict[str, Any]
) -> None:
    request_data = {name: busy.get(value, value) for name, value in wanted.items()}
    with read_rows() as rows:
        answer = api.get("/jobs", request_data)
    assert answer.status_code == 200
    assert rows() < PAGE_ROWS
    jobs = Job.objects.filter(user=user)
    if "project_id" in request_data:
        jobs = jobs.filter(project_id=request_data["project_id"])
    if "type" in request_data:
        jobs = jobs.filter(type=request_data["type"])
    if request_data.get("status") in ("pending", "completed", "failed", "cancelled"):
        jobs = jobs.filter(status=request_data["status"])
    if request_data.get("status") in ("queued", "processing") or "created_before" in request_data:
        jobs = jobs.none()
    order = ("created_at", "pk") if "sort" in request_data else ("-created_at", "-pk")
    first = jobs.order_by(*order).values_list("pk", flat=True)[:50]
    assert [job["id"] for job in answer.json()["jobs"]] == [str(pk) for pk in first]


def test_of_media_only_open_jobs_are_looked_at(
    user: User, make_user: Callable[..., User], busy: dict[str, str], make_media: Any
) -> None:
    media = make_media()
    open_ones = Job.objects.filter(user=user, status="pending")
    first = open_ones.earliest("rank")
    Job.objects.filter(pk=first.pk).update(media_ids=[uuid.uuid4(), media.pk])
    Job.objects.filter(status="completed").update(media_ids=[media.pk])
    with read_rows() as rows:
        assert queries.list_open_jobs_reading(media) == [f"job {first.pk} (noop)"]
    assert rows() < PAGE_ROWS


@pytest.mark.parametrize("more", [0, 1])
def test_so_many_uses_are_named(
    busy: dict[str, str], user: User, make_media: Any, more: int
) -> None:
    media = make_media()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO jobs (user_id, type, gpu_class, media_ids, credits_cost, price_version,"
            " start_deadline_at) SELECT %s, 'noop', 'CPU', ARRAY[%s]::uuid[], 0, 'x', now()"
            " FROM generate_series(1, %s)",
            [user.pk, media.pk, queries.MAX_USES_SHOWN + more],
        )
    assert len(queries.list_open_jobs_reading(media)) == queries.MAX_USES_SHOWN


def test_a_quota_is_summed_from_an_index(user: User, make_media: Any) -> None:
    """The same as from the rows, which are not read."""
    for size, status in ((5, "ready"), (None, "uploading"), (7, "rejected"), (11, "checking")):
        row = make_media(file_size_bytes=size)
        MediaFile.objects.filter(pk=row.pk).update(
            status=status, check_at="2026-01-01T00:00Z" if status == "checking" else None
        )
    used = quota.count_used_bytes(user.pk)
    assert used == 16 + quota.KINDS[0].max_unsized_bytes()
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        # Without the other indexes, because all plans for a table of four rows cost the same.
        cursor.execute(
            "SELECT indexrelid::regclass::text FROM pg_index"
            " WHERE indrelid = 'media_files'::regclass"
            " AND NOT indisunique AND indexrelid <> 'media_files_counted'::regclass"
        )
        for (index,) in cursor.fetchall():
            cursor.execute(f"DROP INDEX {index}")
        cursor.execute(
            "EXPLAIN SELECT sum(file_size_bytes), count(id) FILTER (WHERE status <> 'ready')"
            " FROM media_files WHERE user_id = %s AND NOT (status = 'rejected')",
            [user.pk],
        )
        plan = "\n".join(row for (row,) in cursor.fetchall())
    assert "Index Only Scan using media_files_counted" in plan
