"""Walks of any length come to their end: a lease at a time, a few objects at a time."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from auteur.core.work.leases import Lease
from media import tasks
from media.consents import receipts, removal_worker
from media.consents.models import Consent, ConsentStatus, Removal
from media.consents.revocation import revoke_consent
from media.models import MediaFile
from media.storage import ObjectStorage
from tests.media.consents.conftest import CONTENT, follow

pytestmark = pytest.mark.django_db

Make = Callable[..., Any]
FILES = 3 * removal_worker.BATCH_SIZE


class KilledError(BaseException):
    """The process is gone: nothing handles this."""


@pytest.fixture
def revoked(stored: Make, consent_for: Make, objects: ObjectStorage) -> Consent:
    """Of many files, each with a picture that no row tells of."""
    media: list[MediaFile] = [stored() for _ in range(FILES)]
    for media_row in media:
        objects.write(
            f"users/{media_row.user_id}/media/{media_row.pk}/late.jpg", CONTENT, "image/jpeg"
        )
    consent: Consent = revoke_consent(consent=consent_for(*media))
    return consent


def test_a_lease_outlasts_what_is_asked_of_the_storage(
    revoked: Consent, objects: ObjectStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    request_data, limit, counting = 0, 0, threading.Lock()

    def counted(name: str) -> None:
        whole = getattr(type(objects), name)

        def ask(self: Any, *given: Any) -> Any:
            nonlocal request_data, limit
            with counting:
                request_data += 1
                limit = max(limit, request_data)
            return whole(self, *given)

        monkeypatch.setattr(type(objects), name, ask)

    renew = Lease.renew

    def renews(self: Lease[Any], **found: Any) -> None:
        nonlocal request_data
        request_data = 0
        renew(self, **found)

    for name in ("list_objects", "head", "delete"):
        counted(name)
    monkeypatch.setattr(Lease, "renew", renews)
    assert follow(revoked).finished_at is not None
    assert limit == receipts.PARALLEL_REQUESTS
    assert objects.list_page("", 10) == []


def test_who_dies_while_naming_has_removed_what_was_named(
    revoked: Consent, objects: ObjectStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, listed, counting = type(objects).list_objects, 0, threading.Lock()

    def dies(self: Any, prefix: str) -> Any:
        nonlocal listed
        with counting:
            listed += 1
            if listed > 2 * removal_worker.BATCH_SIZE:
                raise KilledError
        return whole(self, prefix)

    with monkeypatch.context() as patched:
        patched.setattr(type(objects), "list_objects", dies)
        with pytest.raises(KilledError):
            follow(revoked)
    # Two thirds of the files, with their pictures.
    assert Removal.objects.exclude(removed_at=None).count() == 4 * removal_worker.BATCH_SIZE
    assert len(objects.list_page("", 100)) == 2 * removal_worker.BATCH_SIZE

    removal_worker.REVOCATIONS.requeue(
        removal_worker.REVOCATIONS.list_claimed_rows(), removal_worker.FAULT_PAUSE
    )
    assert follow(revoked).finished_at is not None
    assert objects.list_page("", 10) == []
    assert follow(revoked).status == ConsentStatus.REMOVED


def test_an_hour_of_work_is_not_killed() -> None:
    assert tasks.follow.time_limit > 3600


def test_an_index_finds_what_is_left(revoked: Consent) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    plan = receipts.list_pending_removals(revoked)[: receipts.PARALLEL_REQUESTS].explain()
    assert "removals_left" in plan
    assert "Sort" not in plan
