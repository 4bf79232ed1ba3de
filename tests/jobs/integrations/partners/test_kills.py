"""Whoever serves a partner dies, at every point where it matters: each video is answered once."""

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from auteur.core.work import liveness
from auteur.core.work.leases import LeaseLostError
from credits.models import CreditTransaction, TransactionType
from jobs import failpoints
from jobs.integrations.partners import steps
from jobs.integrations.partners.consumer import Consumer
from jobs.integrations.partners.models import Partner, PartnerRequest, State
from jobs.models import Job
from media.models import MediaFile
from tests.jobs.integrations.partners.conftest import Platform, hurry

pytestmark = pytest.mark.django_db

POINTS = (
    "partner.stored",
    "partner.acknowledged",
    "partner.import_started",
    "partner.importing",
    "partner.submitted",
    "partner.working",
    "partner.captions_stored",
    "partner.marked",
    "partner.sent",
)


class KilledError(BaseException):
    """In place of SIGKILL: nothing of ours catches it, and all that was not committed is gone."""


@pytest.fixture
def armed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    """Let whoever comes to a point die there, once."""

    def kill(pid: int, number: int) -> None:
        raise KilledError

    monkeypatch.setattr(failpoints, "_folder", str(tmp_path))
    monkeypatch.setattr(failpoints, "os", SimpleNamespace(kill=kill, getpid=os.getpid))
    return lambda point: (tmp_path / point).touch()


@pytest.fixture
def dead() -> str:
    """The name of a process that is gone."""
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    return liveness.build_process_name(os.getpid(), "dead", child)


def bury(consumer: Consumer, dead: str) -> None:
    """What its process held is now a dead one's, as it is after a kill."""
    PartnerRequest.objects.filter(holder__isnull=False).update(holder=dead)
    consumer.disconnect()


def test_with_a_death_at_every_point_each_video_is_answered_once(
    partner: Partner, platform: Platform, make_consumer, serve, armed, dead: str
):
    for point in POINTS:
        armed(point)
    platform.asks("v1")
    platform.asks("v2")
    platform.asks("v3", "compress_topic")
    deaths = 0
    while PartnerRequest.objects.filter(state=State.ANSWERED).count() < 3:
        consumer = make_consumer(partner)
        try:
            serve(consumer)
        except KilledError:
            deaths += 1
            bury(consumer, dead)
    assert deaths == len(POINTS)
    assert sorted(key for key, _ in platform.hears()) == ["v1", "v2"]
    assert [key for key, _ in platform.hears("compressed_topic")] == ["v3"]
    assert Job.objects.count() == 3
    charges = CreditTransaction.objects.filter(type=TransactionType.USAGE)
    assert charges.count() == 3
    assert list(MediaFile.objects.values_list("name", flat=True)) == ["film.mp4"]
    assert platform.waiting() == 0


def test_an_answer_that_is_perhaps_on_its_way_is_not_sent_again_before_it_had_time(
    partner: Partner, platform: Platform, make_consumer, serve, armed, dead: str
):
    armed("partner.marked")
    platform.asks("v1")
    consumer = make_consumer(partner)
    with pytest.raises(KilledError):
        serve(consumer)
    bury(consumer, dead)
    another = make_consumer(partner)
    another.round()
    another.round()
    assert platform.hears() == []
    hurry()
    another.round()
    assert len(platform.hears()) == 1


def test_a_request_that_kills_whoever_takes_it_is_given_up(
    partner: Partner, platform: Platform, make_consumer, serve, armed, dead: str
):
    platform.asks("poison")
    for _ in range(steps.MAX_TRIES):
        armed("partner.import_started")
        consumer = make_consumer(partner)
        with pytest.raises(KilledError):
            serve(consumer)
        bury(consumer, dead)
    serve(make_consumer(partner))
    error = platform.answer("transcribe_failed_topic")["error"]
    assert (error["code"], error["retryable"]) == ("internal", True)
    assert not MediaFile.objects.exists()


@pytest.mark.usefixtures("long_watch")
def test_who_was_only_slow_changes_nothing_of_what_another_has_done(
    partner: Partner, platform: Platform, consumer: Consumer, workers
):
    platform.asks("v1")
    consumer.round()
    workers()
    hurry()
    (row,) = steps.list_due(partner)
    slow = steps._claim_request(steps.list_due(partner), row.pk)
    assert slow is not None
    PartnerRequest.objects.update(due_at="2000-01-01T00:00:00Z")
    consumer.round()
    assert not slow.row.exists()
    with pytest.raises(LeaseLostError):
        steps._Step(slow, row, None).save_and_release(state=State.ANSWERING)
    assert Job.objects.count() == 1
