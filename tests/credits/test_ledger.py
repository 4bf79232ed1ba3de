"""The ledger's rules, most of them kept by the database."""

import threading
import uuid

import pytest
from django.db import IntegrityError, connection, connections, transaction

from credits import ledger
from credits.models import Credits, CreditTransaction, GrantKind, TransactionType


def rows(user):
    return list(
        CreditTransaction.objects.filter(user=user)
        .order_by("seq")
        .values_list("seq", "amount", "balance_after", "type")
    )


def test_grant_adds_and_records(make_user):
    user = make_user()
    with transaction.atomic():
        assert ledger.grant(user_id=user.pk, amount=7) == 7
        assert ledger.grant(user_id=user.pk, amount=5, kind=GrantKind.SUBSCRIPTION) == 12
    assert rows(user) == [(1, 7, 7, "bonus"), (2, 5, 12, "subscription")]
    assert ledger.get_balance(user_id=user.pk) == 12


@pytest.mark.parametrize("amount", [0, -1, ledger.MAX_AMOUNT + 1])
def test_grant_refuses_amounts_outside_its_bounds(make_user, amount):
    user = make_user()
    with pytest.raises(ValueError, match="a grant must have 1 to"), transaction.atomic():
        ledger.grant(user_id=user.pk, amount=amount)
    assert rows(user) == []


def test_grant_takes_the_largest_amount(make_user):
    user = make_user()
    with transaction.atomic():
        assert ledger.grant(user_id=user.pk, amount=ledger.MAX_AMOUNT) == ledger.MAX_AMOUNT


def test_a_movement_needs_a_transaction(transactional_db):
    with pytest.raises(RuntimeError, match="transaction"):
        ledger.grant(user_id=uuid.uuid4(), amount=1)


def test_no_account_is_told(db):
    with pytest.raises(ledger.NoAccountError), transaction.atomic():
        ledger.grant(user_id=uuid.uuid4(), amount=1)


def test_one_usage_per_job(user, make_job):
    job = make_job()
    with pytest.raises(IntegrityError, match="transactions_once_per_job"), transaction.atomic():
        CreditTransaction.objects.create(
            user=user,
            seq=3,
            amount=-1,
            balance_after=98,
            type=TransactionType.USAGE,
            job=job,
        )


def test_one_refund_per_job(user, make_job):
    job = make_job()
    with transaction.atomic():
        ledger.refund(user_id=user.pk, amount=1, job_id=job.pk)
    with pytest.raises(IntegrityError, match="transactions_once_per_job"), transaction.atomic():
        ledger.refund(user_id=user.pk, amount=1, job_id=job.pk)


def test_a_refund_is_at_most_the_usage(user, make_job):
    job = make_job(minutes=4)  # cost 2
    with pytest.raises(IntegrityError, match="at least as large"), transaction.atomic():
        ledger.refund(user_id=user.pk, amount=3, job_id=job.pk)
    with transaction.atomic():
        ledger.refund(user_id=user.pk, amount=2, job_id=job.pk)
    assert ledger.get_balance(user_id=user.pk) == 100


def test_a_refund_needs_a_usage_of_the_same_user(user, make_user, make_job):
    job = make_job()
    other = make_user()
    with pytest.raises(IntegrityError, match="same job and user"), transaction.atomic():
        ledger.refund(user_id=other.pk, amount=1, job_id=job.pk)


@pytest.mark.parametrize(
    "statement",
    ["UPDATE credit_transactions SET description = 'x'", "DELETE FROM credit_transactions"],
)
def test_the_ledger_is_append_only(user, statement):
    with (
        pytest.raises(IntegrityError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)


def test_the_balance_is_never_negative(user):
    with pytest.raises(IntegrityError, match="balance_not_negative"), transaction.atomic():
        Credits.objects.filter(user=user).update(balance=-1)


@pytest.mark.parametrize(
    ("type", "amount", "with_job"),
    [("usage", 1, True), ("refund", -1, True), ("usage", -1, False), ("bonus", 1, True)],
)
def test_amount_and_job_fit_the_type(user, make_job, type, amount, with_job):
    job = make_job()
    with pytest.raises(IntegrityError), transaction.atomic():
        CreditTransaction.objects.create(
            user=user,
            seq=50,
            amount=amount,
            balance_after=1,
            type=type,
            job=job if with_job else None,
        )


@pytest.mark.django_db(transaction=True)
def test_concurrent_movements_keep_one_chain(make_user):
    user = make_user()
    threads_count, each = 8, ledger.MAX_OPEN_GRANTS // 8

    def grant_many():
        for _ in range(each):
            with transaction.atomic():
                ledger.grant(user_id=user.pk, amount=1)
        connections.close_all()

    threads = [threading.Thread(target=grant_many) for _ in range(threads_count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    total = threads_count * each
    assert [(seq, after) for seq, _, after, _ in rows(user)] == [
        (n, n) for n in range(1, total + 1)
    ]
    assert ledger.get_balance(user_id=user.pk) == total
