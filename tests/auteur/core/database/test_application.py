"""A job's whole life and its money, as the application's role, direct and behind PgBouncer."""

import threading

import pytest
from django.contrib.admin.models import LogEntry
from django.core.management import CommandError, call_command
from django.db import DatabaseError, ProgrammingError, connection

from accounts.models import StaffEvent
from auteur.core.database import execute, pooling, reports
from credits import ledger
from credits.models import CreditTransaction
from jobs import lifecycle
from jobs.audit import ledger_audit
from jobs.models import Attempt, Job
from jobs.states import AttemptState
from tests.auteur.core.database.conftest import POOL_SIZE, run
from tests.jobs.walk import bring_to

pytestmark = pytest.mark.usefixtures("as_application")
USES = 8  # more than a statement's uses before it is prepared


def submit(api, media) -> str:
    answer = api.post("/jobs/transcription", {"media_id": str(media.pk)}, format="json")
    assert answer.status_code == 202, answer.json()
    return str(answer.json()["job_id"])


def test_jobs_are_submitted_run_and_settled(api, user, make_media) -> None:
    media = make_media()
    job_ids = [submit(api, media) for _ in range(USES)]
    lifecycle.cancel(job_id=Job.objects.get(pk=job_ids[0]).pk, by="user")
    for job_id in job_ids[1:]:
        bring_to(Job.objects.get(pk=job_id), AttemptState.COMPLETED)
    output = {api.get(f"/jobs/{job_id}").json()["status"] for job_id in job_ids[1:]}
    assert output == {"completed"}
    assert CreditTransaction.objects.filter(type="refund").count() == 1
    assert ledger.get_balance(user_id=user.pk) == 100 - (USES - 1)
    assert ledger_audit.verify_ledger().total == 0


def test_more_clients_than_sessions_submit_at_once(client_of, user, make_media) -> None:
    media, failed = make_media(), []

    def client() -> None:
        try:
            for _ in range(USES):
                submit(client_of(user), media)
        except (AssertionError, DatabaseError) as exc:
            failed.append(exc)
        finally:
            connection.close()

    threads = [threading.Thread(target=client) for _ in range(2 * POOL_SIZE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert Job.objects.count() == 2 * POOL_SIZE * USES
    assert ledger.get_balance(user_id=user.pk) == 100 - 2 * POOL_SIZE * USES


def test_the_ledger_can_be_added_to_and_never_changed(user) -> None:
    for statement in (
        "UPDATE credit_transactions SET amount = 1",
        "DELETE FROM credit_transactions",
        "TRUNCATE credit_transactions",
        "ALTER TABLE credit_transactions DISABLE TRIGGER append_only",
    ):
        with pytest.raises(ProgrammingError, match=r"permission denied|must be owner"):
            run(statement)
    assert CreditTransaction.objects.filter(user=user).count() == 1


def test_logs_of_staff_can_be_added_to_and_scrubbed_and_never_changed(make_user) -> None:
    by, about = make_user(), make_user()
    LogEntry.objects.create(user=by, object_id=str(about.pk), object_repr="x", action_flag=2)
    StaffEvent.objects.create(user=by, kind="signed_in")
    for table in ("staff_events", "django_admin_log"):
        for statement in (
            f"UPDATE {table} SET user_id = user_id",
            f"DELETE FROM {table}",
            f"SET auteur.scrubbing = 'on'; DELETE FROM {table}",
        ):
            with pytest.raises(ProgrammingError, match="permission denied"):
                run(statement)
    run(f"SELECT scrub_admin_log(ARRAY[{LogEntry.objects.get().pk}])")
    assert LogEntry.objects.get().object_repr == ""
    run("SELECT remove_old_admin_log(0, 100)")
    assert LogEntry.objects.count() == 1


def test_no_table_can_be_changed_made_or_emptied() -> None:
    for statement in (
        "CREATE TABLE mine (id int)",
        "DROP TABLE jobs",
        "ALTER TABLE jobs DISABLE ROW LEVEL SECURITY",
        "CREATE POLICY mine ON jobs USING (true)",
        "CREATE INDEX mine ON jobs (id)",
        "TRUNCATE job_events",
        "UPDATE django_migrations SET name = 'x'",
        "CREATE ROLE mine",
    ):
        with pytest.raises(ProgrammingError, match=r"permission denied|must be owner"):
            run(statement)


def test_timeouts_are_the_roles_own() -> None:
    names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
    assert [run(f"SHOW {name}") for name in names] == ["30s", "10s", "1min"]


def test_statements_are_prepared_where_something_keeps_them(way: str) -> None:
    for _ in range(USES):
        execute("SELECT 1 AS mine WHERE %(one)s = 1", {"one": 1})
        Attempt.objects.exists()
    assert pooling.is_pooled(connection.connection) is (way != "direct")
    mine = "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE %s"
    assert (run(mine, "%AS mine%") == 0) is (way == "pgbouncer")


@pytest.mark.parametrize("way", ["preparing_pgbouncer"])
def test_more_statements_than_are_kept_forget_one_another(way: str) -> None:
    limit = connection.connection.prepared_max if connection.connection else 100
    for number in (*range(3 * limit), *range(3 * limit)):
        ((result,),) = execute(f"SELECT {number} WHERE %(one)s = 1", {"one": 1})
        assert result == number


def test_there_is_nothing_to_warn_of() -> None:
    assert reports.list_warnings(databases=["default"]) == []


@pytest.mark.parametrize("way", ["pgbouncer"])
def test_migrations_want_a_session_of_their_own() -> None:
    with pytest.raises(CommandError, match="MIGRATION_DATABASE_URL"):
        call_command("migrate", verbosity=0)
