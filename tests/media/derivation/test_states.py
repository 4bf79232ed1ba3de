"""Whose turn it is: what is due, what is lost, and that no state is stuck."""

import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from auteur.core.work import leases, liveness
from auteur.core.work.leases import Lease, LeaseLostError
from media.derivation.states import DERIVATIONS, request_derivation
from media.models import DerivationStatus, MediaFile, MediaStatus

Make = Callable[..., MediaFile]
MARGIN = timedelta(seconds=10)


def status(media: MediaFile) -> tuple[str, int]:
    media.refresh_from_db()
    return media.derivation_status, media.derivation_tries


def elapse(media: MediaFile, by: timedelta) -> None:
    media.refresh_from_db()
    MediaFile.objects.filter(pk=media.pk).update(derive_at=media.derive_at - by)


def claimed(media: MediaFile) -> Lease[MediaFile]:
    claim = DERIVATIONS.claim(media.pk)
    assert claim is not None
    return claim


def finish(claim: Lease[MediaFile], **found: object) -> None:
    claim.finish(derivation_status=DerivationStatus.DONE, **found)


def test_whatever_is_ready_is_due(make_media: Make) -> None:
    ready = make_media()
    make_media(status=MediaStatus.UPLOADING)
    make_media(status=MediaStatus.REJECTED)
    assert DERIVATIONS.select_due(10) == [ready.pk]
    assert DERIVATIONS.select_due(10) == []


def test_a_message_not_claimed_is_sent_again(make_media: Make) -> None:
    media = make_media()
    DERIVATIONS.select_due(10)
    elapse(media, leases.RESEND_AFTER - MARGIN)
    assert DERIVATIONS.select_due(10) == []
    elapse(media, MARGIN)
    assert DERIVATIONS.select_due(10) == [media.pk]
    assert status(media) == (DerivationStatus.WAITING, 0)


def test_no_more_are_taken_than_asked_for(make_media: Make) -> None:
    created = {make_media().pk for _ in range(3)}
    assert DERIVATIONS.select_due(0) == DERIVATIONS.select_due(-1) == []
    first, second = DERIVATIONS.select_due(2), DERIVATIONS.select_due(2)
    assert (len(first), len(second)) == (2, 1)
    assert {*first, *second} == created


def test_only_one_claims(make_media: Make) -> None:
    media = make_media()
    assert DERIVATIONS.claim(uuid.uuid4()) is None
    claimed(media)
    assert DERIVATIONS.claim(media.pk) is None
    assert status(media) == (DerivationStatus.WORKING, 1)


@pytest.mark.parametrize("uploading", [MediaStatus.UPLOADING, MediaStatus.REJECTED])
def test_what_is_not_ready_is_not_claimed(make_media: Make, uploading: MediaStatus) -> None:
    assert DERIVATIONS.claim(make_media(status=uploading).pk) is None


def test_whoever_tells_progress_keeps_the_claim(make_media: Make) -> None:
    media = make_media()
    claim = claimed(media)
    elapse(media, DERIVATIONS.duration - MARGIN)
    assert DERIVATIONS.expire() == 0
    elapse(media, MARGIN)
    claim.renew(derivation_progress=0.4)
    assert DERIVATIONS.expire() == 0
    media.refresh_from_db()
    assert media.derivation_progress == 0.4


@pytest.mark.usefixtures("long_watch")
def test_a_lost_claim_is_another_try_until_there_are_no_more(make_media: Make) -> None:
    media = make_media()
    for number in range(1, leases.MAX_TRIES + 1):
        claimed(media)
        elapse(media, DERIVATIONS.duration)
        assert DERIVATIONS.expire() == 1
        last = number == leases.MAX_TRIES
        expected = DerivationStatus.FAILED if last else DerivationStatus.WAITING
        assert status(media) == (expected, number)
        assert DERIVATIONS.select_due(10) == ([] if last else [media.pk])
    assert DERIVATIONS.claim(media.pk) is None
    assert media.status == MediaStatus.READY


def test_silence_counts_only_where_we_have_listened(
    make_media: Make, request: pytest.FixtureRequest
) -> None:
    media = make_media()
    claimed(media)
    elapse(media, DERIVATIONS.duration)
    assert DERIVATIONS.expire() == 0
    with liveness.watch_database():
        assert DERIVATIONS.expire() == 0
    request.getfixturevalue("long_watch")
    assert DERIVATIONS.expire() == 1


@pytest.mark.usefixtures("long_watch")
def test_who_lost_the_claim_changes_nothing(make_media: Make) -> None:
    media = make_media()
    lost = claimed(media)
    elapse(media, DERIVATIONS.duration)
    DERIVATIONS.expire()
    present = claimed(media)
    for late in (lambda: lost.renew(derivation_progress=0.9), lambda: finish(lost, sprite={})):
        with pytest.raises(LeaseLostError):
            late()
    lost.fail()
    lost.requeue()
    lost.release()
    assert status(media) == (DerivationStatus.WORKING, 2)
    finish(present, sprite=None)
    assert status(media) == (DerivationStatus.DONE, 2)


def test_a_storage_that_is_away_costs_no_try(make_media: Make) -> None:
    media = make_media()
    for _ in range(leases.MAX_TRIES + 1):
        claimed(media).release()
        assert status(media) == (DerivationStatus.WAITING, 0)
    assert DERIVATIONS.select_due(10) == []
    elapse(media, leases.OUTAGE_PAUSE)
    assert DERIVATIONS.select_due(10) == [media.pk]


def test_a_read_that_broke_off_costs_one(make_media: Make) -> None:
    media = make_media()
    for number in range(1, leases.MAX_TRIES + 1):
        claimed(media).requeue()
        expected = (
            DerivationStatus.FAILED if number == leases.MAX_TRIES else DerivationStatus.WAITING
        )
        assert status(media) == (expected, number)


def test_asking_again_starts_anew(make_media: Make) -> None:
    done, failed, working, uploading = (make_media() for _ in range(4))
    finish(claimed(done))
    claimed(failed).fail()
    old = claimed(working)
    MediaFile.objects.filter(pk=uploading.pk).update(status=MediaStatus.UPLOADING)
    request_data = [done.pk, failed.pk, working.pk, uploading.pk, uuid.uuid4()]
    assert request_derivation(request_data) == 3
    assert set(DERIVATIONS.select_due(10)) == {done.pk, failed.pk, working.pk}
    assert status(done) == (DerivationStatus.WAITING, 0)
    with pytest.raises(LeaseLostError):
        old.renew(derivation_progress=0.5)


@pytest.mark.parametrize("ended", [DerivationStatus.DONE, DerivationStatus.FAILED])
def test_the_database_keeps_open_rows_due_and_ended_ones_not(
    make_media: Make, ended: DerivationStatus
) -> None:
    rows = MediaFile.objects.filter(pk=make_media().pk)
    for wrong in ({"derive_at": None}, {"derivation_status": ended, "derive_at": Now()}):
        with pytest.raises(IntegrityError), transaction.atomic():
            rows.update(**wrong)
    assert rows.update(derivation_status=ended, derive_at=None) == 1
