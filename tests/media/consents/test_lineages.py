"""Whatever was made of what, and whenever those die who remove it: no byte of it is left."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from django.db import connection
from django.db.models import Sum
from django.db.models.functions import Now
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import User
from credits.models import CreditTransaction
from jobs import lifecycle
from jobs.audit import ledger_audit
from jobs.models import Attempt, Job
from jobs.states import DELIVERING, FINALIZE, OPEN, AttemptState, JobStatus
from media.consents import removal_worker
from media.consents.models import Consent, ConsentKind, ConsentStatus, Removal
from media.consents.records import record_consent
from media.consents.revocation import revoke_consent
from media.models import MediaFile, VoiceClone
from media.storage import ObjectStorage
from tests.jobs.walk import RESULT, WORKER
from tests.media.consents.lineages import Lineage
from tests.properties import LONG, examples

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("long_watch")]

NODES, OPEN_JOBS = (1000, 40) if LONG else (24, 6)
MAX_TURNS = 200


class Killed(BaseException):
    """The process is gone: nothing handles this."""


@contextmanager
def dying_after(statements: int) -> Iterator[None]:
    """The process dies at its so-manieth statement of Django's."""
    remaining = statements

    def count(execute: Callable[..., Any], *args: Any) -> Any:
        nonlocal remaining
        remaining -= 1
        if remaining < 0:
            raise Killed
        return execute(*args)

    with suppress(Killed), connection.execute_wrapper(count):
        yield


@pytest.mark.timeout(3600)  # the long profile
def test_all_of_it_goes_and_nothing_else(
    objects: ObjectStorage, make_user: Callable[..., User]
) -> None:
    @given(seed=st.integers(0, 10**6), kills=st.lists(st.integers(1, 120), max_size=6))
    @examples(short=3, long=4)
    def any_lineage(seed: int, kills: list[int]) -> None:
        all_of_it_goes(objects, make_user(balance=1000), seed, kills)

    any_lineage()


def all_of_it_goes(objects: ObjectStorage, user: User, seed: int, kills: list[int]) -> None:
    chance = random.Random(seed)
    lineage = Lineage(user, chance)
    lineage.grow(NODES, OPEN_JOBS)
    media = [node.id for node in lineage.nodes.values() if node.id != lineage.voice_id]
    consent = some_consent(lineage, chance, media[:10])
    ids = lineage.tainted(consent.covered)
    going, staying = lineage.keys_of(ids)

    with dying_after(chance.choice([1, 3, 1000])):
        revoke_consent(consent=consent)
    revoke_consent(consent=consent)  # its client asks again
    for kill in kills:
        take_the_lease_of_the_dead(consent)
        with dying_after(kill):
            removal_worker.run_removal(consent.pk)
    finish(consent)

    stored = {node.key for node in objects.list_objects(f"users/{user.pk}/")}
    assert stored == staying
    remaining = (MediaFile.objects.filter(user=user), VoiceClone.objects.filter(user=user))
    rows = {pk for results in remaining for pk in results.values_list("pk", flat=True)}
    there = {node.id for node in lineage.nodes.values() if not node.is_deleted}
    assert rows == there - ids
    jobs_are_right(lineage, ids)
    receipt_is_right(consent, going)
    leave_no_open_jobs(user)
    assert ledger_audit.check().total == 0


def some_consent(lineage: Lineage, chance: random.Random, first: list[Any]) -> Consent:
    if chance.random() < 0.2:
        return record_consent(
            user_id=lineage.user.pk,
            kind=ConsentKind.VOICE,
            subject="Ann",
            voice_id=lineage.voice_id,
        )
    there = [item for item in first if not lineage.nodes[item].is_deleted]
    covered = chance.choices(there, k=2)
    return record_consent(
        user_id=lineage.user.pk, kind=ConsentKind.FACE, subject="Ann", media_ids=covered
    )


def take_the_lease_of_the_dead(consent: Consent) -> None:
    Consent.objects.filter(pk=consent.pk, due_at__isnull=False).update(due_at=Now())
    removal_worker.REVOCATIONS.expire()
    Consent.objects.filter(pk=consent.pk, due_at__isnull=False).update(due_at=Now())


def finish(consent: Consent) -> None:
    """Turns until it is over, with workers that deliver what was being delivered."""
    for _ in range(MAX_TURNS):
        take_the_lease_of_the_dead(consent)
        removal_worker.run_removal(consent.pk)
        delivering = Attempt.objects.filter(state__in=DELIVERING, job__status__in=OPEN)
        for attempt in delivering[:2]:
            if attempt.state == AttemptState.COLLECTED:
                lifecycle.claim(step=FINALIZE, attempt_ids=[attempt.pk], worker=WORKER)
            lifecycle.complete(attempt_ids=[attempt.pk], worker=WORKER)
        if Consent.objects.filter(pk=consent.pk, status=ConsentStatus.REMOVED).exists():
            return
    raise AssertionError("it does not come to an end")


def leave_no_open_jobs(user: User) -> None:
    for job in Job.objects.filter(user=user, status__in=OPEN):
        with suppress(lifecycle.JobFinishedProblem):
            lifecycle.cancel(job_id=job.pk, by="user")


def jobs_are_right(lineage: Lineage, ids: set[Any]) -> None:
    """Who read it is cancelled with all credits back, or was too late for that; others go on."""
    for job in Job.objects.filter(pk__in=lineage.readers):
        if not lineage.readers[job.pk] & ids:
            assert job.status in (*OPEN, JobStatus.COMPLETED)
        elif job.status == JobStatus.CANCELLED:
            lines = CreditTransaction.objects.filter(job=job)
            assert (job.error_code, job.credits_refunded) == ("CANCELLED", True)
            assert lines.aggregate(total=Sum("amount"))["total"] == 0
        else:
            assert job.status == JobStatus.COMPLETED
            assert job.output_data == {"engine": RESULT["engine"]}
    for output in lineage.outputs:
        if output.sources & ids:
            message = Job.objects.get(pk=output.id).output_data or {}
            assert set(message) <= {"media", "engine"}


def receipt_is_right(consent: Consent, going: set[str]) -> None:
    named = Removal.objects.filter(consent=consent)
    assert not named.filter(removed_at=None).exists()
    assert {*named.values_list("key", flat=True)} == going
    assert not named.filter(size_bytes=None).exists()
