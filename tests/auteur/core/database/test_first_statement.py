"""What a request asks first of the database, on a connection that has died since the last one."""

from collections.abc import Callable

import psycopg
import pytest
from django.db import InterfaceError, OperationalError, ProgrammingError, connection, transaction
from rest_framework.test import APIClient

from accounts.models import User
from auteur.core.database import execute, execute_first
from tests.conftest import by_key

pytestmark = pytest.mark.django_db(transaction=True)


def kill() -> None:
    """The server ends the session, as when it restarts."""
    connection.ensure_connection()
    pid = connection.connection.info.backend_pid
    with psycopg.connect(connection.connection.info.dsn, password=_password()) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])


def _password() -> str:
    return str(connection.settings_dict["PASSWORD"])


def begin_request() -> None:
    connection.close_if_unusable_or_obsolete()


def test_a_broken_connection_is_replaced_and_asked_once_more() -> None:
    assert execute_first("SELECT 1", {}) == [(1,)]
    kill()
    begin_request()
    assert execute_first("SELECT 2", {}) == [(2,)]


def test_a_connection_is_closed_by_nobody_but_found_closed() -> None:
    execute_first("SELECT 1", {})
    connection.connection.close()
    begin_request()
    assert execute_first("SELECT 2", {}) == [(2,)]


def test_within_a_transaction_nothing_is_sent_again() -> None:
    def ask() -> None:
        with transaction.atomic():
            execute("SELECT 1", {})
            kill()
            execute_first("SELECT 2", {})

    with pytest.raises((OperationalError, InterfaceError)):
        ask()


def test_what_fails_on_a_connection_that_works_is_not_sent_again() -> None:
    execute_first("SELECT 1", {})
    begin_request()
    before = connection.connection
    execute("SELECT set_config('statement_timeout', '50', false)", {})
    connection.health_check_done = False
    with pytest.raises(OperationalError, match="timeout"):
        execute_first("SELECT pg_sleep(5)", {})
    with pytest.raises(ProgrammingError):
        execute_first("SELECT nonsense", {})
    assert connection.connection is before
    connection.close()


def test_no_check_of_its_health_is_sent_besides(monkeypatch: pytest.MonkeyPatch) -> None:
    execute_first("SELECT 1", {})
    begin_request()
    assert not connection.health_check_done
    monkeypatch.setattr(connection, "is_usable", None)
    execute_first("SELECT 1", {})
    assert connection.health_check_done


def test_whoever_does_not_begin_with_it_is_as_safe_as_before() -> None:
    execute("SELECT 1", {})
    kill()
    begin_request()
    assert not User.objects.filter(email="nobody@example.com").exists()
    kill()
    begin_request()
    assert execute("SELECT 2", {}) == [(2,)]


def test_users_and_keys_see_nothing_of_it(api: APIClient, make_key: Callable[..., object]) -> None:
    program = by_key(make_key())  # type: ignore[arg-type]
    for client in (api, program):
        assert client.get("/users/me").status_code == 200
        kill()
        begin_request()  # the test's client keeps the signal from Django
        assert client.get("/users/me").status_code == 200
