"""Print the buffers that statements of requests read: `python -m benchmarks.request_buffers`.

A client process of `benchmarks.growth`, on a database of `benchmarks.grown`. It sends requests of
the busiest user, and opens the admin's lists as staff. Each statement is explained (`ANALYZE,
BUFFERS`) just before it is executed. It prints one line of JSON for the worst statement of each
request.
"""

import datetime
import json
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "auteur.settings")

import django

django.setup()

import psycopg
from django.db import connection
from django.test import Client

from accounts import tokens
from accounts.models import User
from auteur import metrics
from jobs import lifecycle
from jobs.models import Job

LISTS = (
    "jobs/job/",
    "jobs/job/?status__exact=failed",
    "jobs/job/?type=noop",
    "credits/credittransaction/",
    "credits/credits/",
    "media/mediafile/",
    "accounts/user/",
)
LENIENT: dict[str, Any] = {"raise_request_exception": False, "SERVER_NAME": "localhost"}
EXPLAIN = "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) "
WORDS = ("SELECT", "WITH", "INSERT", "UPDATE", "DELETE")


@contextmanager
def record_statements(heard: list[tuple[int, str]]) -> Iterator[None]:
    """Record how many buffers each statement hits and reads."""
    with patch.object(psycopg.Cursor, "execute", _explained(psycopg.Cursor.execute, heard)):
        yield


def _explained(execute: Callable[..., Any], heard: list[tuple[int, str]]) -> Callable[..., Any]:
    def explaining(cursor: Any, statement: Any, values: Any = None, **options: Any) -> Any:
        text = statement.decode() if isinstance(statement, bytes) else str(statement)
        if text.lstrip().upper().startswith(WORDS):
            with cursor.connection.transaction(force_rollback=True):
                execute(cursor, EXPLAIN + text, values)
                plan = cursor.fetchone()[0][0]["Plan"]
            heard.append((plan["Shared Hit Blocks"] + plan["Shared Read Blocks"], text))
        return execute(cursor, statement, values, **options)

    return explaining


def print_worst_statement(request: str, ask: Callable[[], int]) -> None:
    """Send a request, and print what its worst statement has read."""
    heard: list[tuple[int, str]] = []
    with record_statements(heard):
        status = ask()
    buffers, statement = max(heard, default=(0, ""))
    line = {"request": request, "status": status, "buffers": buffers, "statements": len(heard)}
    print(json.dumps(line | {"statement": " ".join(statement.split())[:2000]}), flush=True)


def scrape() -> int:
    """Send `GET /metrics`."""
    statements = []
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/metrics"}
    metrics.application(environ, lambda status, headers: statements.append(int(status.split()[0])))
    return statements[0]


def main() -> None:
    connection.ensure_connection()
    user_id = _busiest()
    user = User.objects.get(pk=user_id)
    token = tokens.issue_token(
        user_id=user_id, email=user.email, lifetime=datetime.timedelta(hours=1)
    )
    client = Client(headers={"Authorization": f"Bearer {token}"}, **LENIENT)
    job_id = Job.objects.filter(user=user).order_by("-created_at").values_list("pk", flat=True)[0]
    media_id = user.media_files.order_by("-created_at").values_list("pk", flat=True)[0]
    for path in (
        "/jobs",
        "/jobs?status=pending",
        "/jobs?status=queued",
        "/jobs?status=processing",
        "/jobs?status=completed",
        "/jobs?status=failed",
        "/jobs?status=cancelled",
        "/jobs?type=noop",
        "/jobs?limit=100",
        f"/jobs/{job_id}",
        f"/jobs/{job_id}/events",
        "/users/me",
        "/credits",
        "/credits/history",
        "/credits/history?type=refund",
        "/media",
        f"/media/{media_id}",
        "/events",
    ):
        name = path.replace(str(job_id), ":id").replace(str(media_id), ":id")
        print_worst_statement(f"GET {name}", lambda path=path: client.get(path).status_code)  # type: ignore[misc]
    print_worst_statement(
        "POST /jobs/noop", lambda: client.post("/jobs/noop", "{}", "application/json").status_code
    )
    waiting = Job.objects.filter(user=user).latest("created_at")  # the hot path knows only its own
    lifecycle.cancel(job_id=waiting.pk, by="user")
    print_worst_statement(
        "DELETE /media/:id", lambda: client.delete(f"/media/{media_id}").status_code
    )
    print_worst_statement("GET /metrics", scrape)
    staff = Client(**LENIENT)
    staff.force_login(
        User.objects.create(email=f"{uuid.uuid4()}@example.com", is_staff=True, is_superuser=True)
    )
    for path in LISTS:
        print_worst_statement(
            f"GET /admin/{path}",
            lambda path=path: staff.get(f"/admin/{path}").status_code,  # type: ignore[misc]
        )


def _busiest() -> Any:
    with connection.cursor() as cursor:
        cursor.execute("SELECT user_id FROM credits ORDER BY seq DESC LIMIT 1")
        return cursor.fetchone()[0]


if __name__ == "__main__":
    main()
