"""Ids that rise with time."""

import time
import uuid

import pytest
from django.db import connection

from auteur.core.database.keys import NEW_ID, new_id
from jobs.models import Attempt
from tests.jobs.walk import admit

AT_ONCE = 1000


def milliseconds_of(key: uuid.UUID) -> int:
    return key.int >> 80


def made_by_the_database() -> uuid.UUID:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {NEW_ID}")
        return cursor.fetchone()[0]


@pytest.mark.django_db
@pytest.mark.parametrize("make", [new_id, made_by_the_database], ids=["python", "sql"])
def test_a_key_is_a_uuid_of_version_7_with_the_time_in_it(make) -> None:
    before = time.time_ns() // 1_000_000
    key = make()
    after = time.time_ns() // 1_000_000
    assert (key.version, key.variant) == (7, uuid.RFC_4122)
    assert before <= milliseconds_of(key) <= after


@pytest.mark.django_db
@pytest.mark.parametrize("make", [new_id, made_by_the_database], ids=["python", "sql"])
def test_the_rest_of_a_key_is_random(make) -> None:
    keys = [make().int for _ in range(AT_ONCE)]
    assert len(set(keys)) == AT_ONCE
    fixed = 0xF << 76 | 0b11 << 62  # version and variant
    for bit in range(80):
        ones = sum(key >> bit & 1 for key in keys)
        if not fixed >> bit & 1:
            assert 0.4 * AT_ONCE < ones < 0.6 * AT_ONCE


def test_later_keys_are_higher() -> None:
    first = new_id()
    time.sleep(0.002)
    assert first < new_id()


@pytest.mark.django_db
def test_jobs_attempts_and_ledger_rows_have_such_ids(make_job) -> None:
    job = make_job()
    attempt = admit(job)
    line = job.credit_transactions.get()
    assert {row.pk.version for row in (job, attempt, line)} == {7}
    assert Attempt.objects.create(job=job, number=2, backend="b", engine="e").pk.version == 7
