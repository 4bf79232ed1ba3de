"""From a header to a user: first tokens, changed addresses, refusals."""

import logging
import os
import sys
import threading
import time
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from accounts import signup
from accounts.models import User
from credits.models import Credits, CreditTransaction
from tests.accounts.provider import Provider, signed
from tests.services import FOLDER_VARIABLE

pytestmark = pytest.mark.django_db


def verify(token: str | None = None, *, header: str | None = None) -> Any:
    api = APIClient()
    value = header if token is None else f"Bearer {token}"
    if value is not None:
        api.credentials(HTTP_AUTHORIZATION=value)
    return api.post("/auth/verify")


def code_of(response: Any) -> tuple[int, str]:
    assert response.headers["Content-Type"] == "application/problem+json"
    return response.status_code, response.json()["code"]


def test_the_first_token_makes_a_user_with_an_empty_account() -> None:
    user_id = uuid.uuid4()
    response = verify(signed(sub=str(user_id), email="Ann@Example.COM"))
    assert (response.status_code, response.json()) == (
        200,
        {"valid": True, "user_id": str(user_id)},
    )
    user = User.objects.get(pk=user_id)
    assert (user.email, user.is_staff, user.is_superuser) == ("ann@example.com", False, False)
    assert not user.has_usable_password()
    assert Credits.objects.get(user=user).balance == 0
    assert not CreditTransaction.objects.exists()


def test_welcome_credits_are_granted_once(settings: Any) -> None:
    settings.SIGNUP_CREDITS = 25
    user_id = uuid.uuid4()
    for _ in range(2):
        assert verify(signed(sub=str(user_id), email="ann@example.com")).status_code == 200
    row = CreditTransaction.objects.get(user_id=user_id)
    assert (row.amount, row.balance_after, row.type, row.seq) == (25, 25, "bonus", 1)


def test_a_known_token_costs_one_query_and_no_write(user: User) -> None:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert verify(signed(sub=str(user.pk), email=user.email.upper())).status_code == 200
    assert [query["sql"].split()[0] for query in queries] == ["SELECT"]


def test_a_token_of_the_provider_signs_up_too(provider: Provider) -> None:
    user_id = uuid.uuid4()
    assert verify(provider.sign(provider.add_key(), sub=str(user_id))).status_code == 200
    assert User.objects.filter(pk=user_id).exists()


@pytest.mark.parametrize("header", [None, "", "Token abc", "Basic YTpi", "Bearerabc"])
def test_no_bearer_token_is_not_authenticated(header: str | None) -> None:
    response = verify(header=header)
    assert code_of(response) == (401, "not_authenticated")
    assert response.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer ", "Bearer a b c", "Bearer a.b.c", "Bearer \xe9\xff", "bearer x"]
)
def test_a_bad_bearer_token_is_invalid(header: str) -> None:
    response = verify(header=header)
    assert code_of(response) == (401, "invalid_token")
    assert response.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'


def test_an_expired_token_says_so() -> None:
    assert code_of(verify(signed(exp=int(time.time()) - 60))) == (401, "token_expired")


def test_with_the_provider_away_a_token_of_its_is_neither_good_nor_bad(provider: Provider) -> None:
    token = provider.sign(provider.add_key())
    provider.go_away()
    response = verify(token)
    assert code_of(response) == (503, "unavailable")
    assert int(response.headers["Retry-After"]) > 0


@pytest.mark.parametrize(
    "email",
    [None, "", " ", "ann", 7, ["ann@example.com"], "a\x00@example.com", "a\n@b.c", "\ud800@b.c"],
)
def test_a_token_without_a_usable_email_makes_nobody(email: Any) -> None:
    assert code_of(verify(signed(email=email))) == (403, "email_required")
    assert not User.objects.exists()


def test_an_address_may_be_as_long_as_the_column() -> None:
    longest = "a" * (signup.MAX_EMAIL_CHARS - len("@b.c")) + "@b.c"
    assert verify(signed(email=longest)).status_code == 200
    assert code_of(verify(signed(email="a" + longest))) == (403, "email_required")


def test_an_address_grown_by_lower_case_is_measured_as_it_is_kept() -> None:
    grows = "İ" * (signup.MAX_EMAIL_CHARS - len("@b.c")) + "@b.c"
    assert code_of(verify(signed(email=grows))) == (403, "email_required")


@pytest.mark.parametrize("name", ["İ", "STRAẞE", "ΣΑΣ", "ǅ", "Ꭰ", "K"])
def test_letters_with_odd_lower_cases_are_an_address(name: str) -> None:
    assert verify(signed(email=f"{name}@b.c")).status_code == 200
    assert User.objects.get().email == f"{name}@b.c".lower()


def test_what_is_lower_case_here_is_so_in_the_database() -> None:
    letters = [letter.lower() for letter in map(chr, range(sys.maxunicode)) if letter.isprintable()]
    with connection.cursor() as cursor:
        cursor.execute("SELECT x FROM unnest(%s::text[]) AS x WHERE lower(x) <> x", [letters])
        assert cursor.fetchall() == []


def test_an_address_of_another_user_is_refused_whatever_its_case(user: User) -> None:
    response = verify(signed(email=user.email.upper()))
    assert code_of(response) == (409, "email_in_use")
    assert User.objects.count() == 1
    assert user.email not in response.content.decode()


def test_a_changed_address_is_kept(user: User) -> None:
    assert verify(signed(sub=str(user.pk), email="New@example.com")).status_code == 200
    user.refresh_from_db()
    assert user.email == "new@example.com"


def test_an_older_token_does_not_bring_the_old_address_back(user: User) -> None:
    old = user.email
    User.objects.filter(pk=user.pk).update(email="new@example.com", updated_at=timezone.now())
    earlier = int((timezone.now() - timedelta(minutes=5)).timestamp())
    assert verify(signed(sub=str(user.pk), email=old, iat=earlier)).status_code == 200
    user.refresh_from_db()
    assert user.email == "new@example.com"


def test_an_address_cannot_change_to_one_that_is_taken(
    user: User, make_user: Callable[..., User]
) -> None:
    other = make_user()
    assert code_of(verify(signed(sub=str(user.pk), email=other.email))) == (409, "email_in_use")
    before = user.email
    user.refresh_from_db()
    assert user.email == before


def test_a_deactivated_user_is_refused(user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)
    response = verify(signed(sub=str(user.pk), email=user.email))
    assert code_of(response) == (401, "account_inactive")
    changed = verify(signed(sub=str(user.pk), email="new@example.com"))
    assert code_of(changed) == (401, "account_inactive")
    assert not User.objects.filter(email="new@example.com").exists()


def test_logs_name_nobody(user: User, provider: Provider, caplog: pytest.LogCaptureFixture) -> None:
    provider.add_key()
    provider.go_away()
    refused = [
        signed(email=user.email),
        signed(email=None),
        signed(secret="another-secret-of-thirty-two-bytes!"),
        provider.sign(next(iter(provider.keys)), email="ann@example.com"),
    ]
    with caplog.at_level(logging.DEBUG):
        for token in refused:
            assert verify(token).status_code >= 400
    for secret in ("@example.com", *refused):
        assert secret not in caplog.text


@pytest.fixture
def database_log(db: None) -> Callable[[], str]:
    """Return a function that reads what PostgreSQL has logged of this session since the test began.

    Other tests run on the same server at the same time: the log has their errors as well.
    """
    path = Path(os.environ[FOLDER_VARIABLE], "log", "postgres.log")
    if not path.exists():
        pytest.skip("PostgreSQL is not ours, and neither is its log.")
    start = path.stat().st_size
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (session,) = cursor.fetchone()

    def read() -> str:
        lines = path.read_bytes()[start:].decode().splitlines()
        return "\n".join(line for line in lines if f"[{session}]" in line)

    return read


class TestLogOfTheDatabase:
    def test_a_refused_sign_up_is_no_error_there(
        self, user: User, database_log: Callable[[], str]
    ) -> None:
        with connection.cursor() as cursor:  # as in a PostgreSQL that others have set up
            cursor.execute("SET LOCAL log_min_error_statement = error")
            cursor.execute("SET LOCAL log_error_verbosity = default")
        assert code_of(verify(signed(email=user.email))) == (409, "email_in_use")
        email = "new@example.com"
        assert verify(signed(sub=str(user.pk), email=email)).status_code == 200
        assert code_of(verify(signed(email=email))) == (409, "email_in_use")
        other = signed(sub=str(uuid.uuid4()), email="other@example.com")
        assert verify(other).status_code == 200
        moved = signed(sub=str(user.pk), email="other@example.com")
        assert code_of(verify(moved)) == (409, "email_in_use")
        assert "duplicate key" not in database_log()

    def test_an_error_there_quotes_no_row_and_no_statement(
        self, user: User, database_log: Callable[[], str]
    ) -> None:
        with pytest.raises(IntegrityError), transaction.atomic():
            User.objects.create(email=user.email)
        assert "duplicate key" in database_log()
        assert user.email not in database_log()


@pytest.mark.django_db(transaction=True)
def test_concurrent_first_tokens_make_one_user(settings: Any) -> None:
    settings.SIGNUP_CREDITS = 10
    user_id = uuid.uuid4()
    tokens = [signed(sub=str(user_id), email="ann@example.com")] * 8
    assert [answer.status_code for answer in at_once(tokens)] == [200] * 8
    assert User.objects.count() == 1
    assert Credits.objects.get(user_id=user_id).balance == 10
    assert CreditTransaction.objects.filter(user_id=user_id).count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_concurrent_first_tokens_with_one_address_one_wins() -> None:
    answers = at_once([signed(email="ann@example.com") for _ in range(6)])
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 5
    assert User.objects.count() == Credits.objects.count() == 1


def at_once(tokens: list[str]) -> list[Any]:
    """Each token's answer, all sent together."""
    answers: list[Any] = []
    gate = threading.Barrier(len(tokens))

    def send(token: str) -> None:
        connection.ensure_connection()
        gate.wait()
        try:
            answers.append(verify(token))
        finally:
            connection.close()

    threads = [threading.Thread(target=send, args=(token,)) for token in tokens]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers
