"""What waits for workers, told to a role that may see nothing else; `deploy/keda.yaml` asks it."""

import importlib
import re
from typing import Any

import pytest
import yaml
from django.db import ProgrammingError, connection, transaction

from auteur.core.database import roles
from auteur.devstack.processes import BASE_DIR
from jobs.calls.backends.models import LocalCall, LocalCallState
from jobs.states import AttemptState
from tests.auteur.core.database.conftest import run
from tests.deploy.files import text
from tests.jobs.walk import bring_to

pytestmark = pytest.mark.django_db
[FILE] = (BASE_DIR / "jobs" / "migrations").glob("*_work_waiting.py")
migration = importlib.import_module(f"jobs.migrations.{FILE.stem}")
SCALER = "auteur_scaler"


@pytest.fixture
def scaler(db: None) -> str:
    """The role that docs/operations.md has one make, in this transaction."""
    (grants,) = re.findall(
        r"```sql\n(CREATE ROLE auteur_scaler.*?)```", text("docs/operations.md"), re.S
    )
    with connection.cursor() as cursor:
        cursor.execute(grants)
    return SCALER


def waiting() -> dict[str, tuple[int, int, float | None]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM work_waiting()")
        return {queue: tuple(figures) for queue, *figures in cursor.fetchall()}


def call(queue: str, state: str = LocalCallState.QUEUED) -> None:
    ended = state not in (LocalCallState.QUEUED, LocalCallState.RUNNING)
    LocalCall.objects.create(
        attempt_id=run("SELECT gen_random_uuid()"),
        function="noop",
        engine="draft",
        queue=queue,
        payload={},
        state=state,
        finished_at=run("SELECT now()") if ended else None,
    )


def test_calls_are_counted_by_their_queues_and_ended_ones_are_not() -> None:
    for state in ("queued", "queued", "running", "done", "cancelled"):
        call("gpu.cpu", state)
    call("gpu.l4")
    result = waiting()
    assert result["gpu.cpu"][:2] == (2, 1)
    assert result["gpu.l4"][:2] == (1, 0)


def test_jobs_wait_for_a_place_then_for_a_worker(make_job) -> None:
    job = make_job()
    run(
        "INSERT INTO gpu_pools (gpu_class, clock) VALUES (%s, 0) ON CONFLICT DO NOTHING",
        job.gpu_class,
    )
    assert waiting()[f"class.{job.gpu_class}"][:2] == (1, 0)
    bring_to(job, AttemptState.QUEUED)
    run("UPDATE jobs SET wake_at = now() - interval '90 seconds'")
    result = waiting()
    assert f"class.{job.gpu_class}" not in result
    assert result["steps"][0] == 1
    assert result["steps"][2] == pytest.approx(90, abs=1)


def test_media_wait_to_be_looked_at(make_media) -> None:
    make_media(status="checking", check_at=run("SELECT now()"))
    media = make_media(status="checking", check_at=run("SELECT now()"))
    run("UPDATE media_files SET check_claim = gen_random_uuid() WHERE id = %s", media.pk)
    assert waiting()["media.check"][:2] == (1, 1)


def test_no_more_are_counted_than_anybody_starts_workers_for(monkeypatch) -> None:
    assert migration.WORK.count(f"LIMIT {migration.MOST}") == 7
    body = migration.WORK.replace(f"LIMIT {migration.MOST}", "LIMIT 2")
    for _ in range(3):
        call("gpu.cpu")
    assert run(f"SELECT count FROM ({body}) AS counted (queue, count, running, age)") == 2


def test_every_part_has_an_index() -> None:
    """On tables that are empty here and have millions of ended rows elsewhere."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {migration.WORK}")
        plan = "\n".join(line for (line,) in cursor.fetchall())
    scanned = set(re.findall(r"Seq Scan on (\w+)", plan))
    assert scanned <= {"gpu_pools"}, plan
    for name in ("jobs_to_wake", "jobs_to_admit_by_type", "local_calls_open", "media_imports_due"):
        assert name in plan


def test_the_scaler_sees_that_and_nothing_else(scaler: str) -> None:
    call("gpu.cpu")
    for statement, allowed in (
        ("SELECT waiting FROM work_waiting() WHERE queue = 'gpu.cpu'", True),
        ("SELECT count(*) FROM local_calls", False),
        ("SELECT count(*) FROM jobs", False),
        ("SELECT scrub_admin_log('{}')", False),
        ("CREATE TABLE mine ()", False),
    ):
        assert may(scaler, statement) is allowed, statement


def test_after_a_migration_it_still_may_and_keys_of_supabase_may_not(scaler: str) -> None:
    run("GRANT EXECUTE ON FUNCTION work_waiting() TO PUBLIC")
    roles.secure_tables("default", user="", password="")
    assert may(scaler, "SELECT * FROM work_waiting()")
    run("CREATE ROLE somebody")
    assert not may("somebody", "SELECT * FROM work_waiting()")


def may(role: str, statement: str) -> bool:
    """Whether a role may run it."""
    try:
        with transaction.atomic():
            run(f"SET LOCAL ROLE {role}")
            run(statement)
            run("RESET ROLE")
    except ProgrammingError:
        return False
    return True


def triggers() -> list[tuple[str, Any]]:
    documents = yaml.safe_load_all(text("deploy/keda.yaml"))
    return [
        (document["metadata"]["name"], trigger["metadata"])
        for document in documents
        if document["kind"] == "ScaledObject"
        for trigger in document["spec"]["triggers"]
    ]


@pytest.mark.parametrize(("name", "metadata"), triggers(), ids=lambda value: str(value)[:20])
def test_what_keda_asks_is_one_number_also_where_nothing_waits(
    scaler: str, name: str, metadata: dict[str, str]
) -> None:
    run(f"SET LOCAL ROLE {scaler}")
    assert run(metadata["query"]) == 0
    assert float(metadata["targetQueryValue"]) > 0
    run("RESET ROLE")
