"""Pictures and waveforms between orchestrator and workers: published, lost, made all the same."""

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.db import connection
from django.db.models.functions import Now
from redis.exceptions import RedisError

from auteur.devstack.processes import BASE_DIR
from jobs import publishing
from jobs.orchestrator import derivation
from media.derivation import states
from media.models import DerivationStatus, MediaFile, MediaType
from media.storage import object_storage
from media.tasks import DERIVE
from tests.jobs.broker import Broker
from tests.media.films import film, halves, tone
from tests.waiting import until

Make = Callable[..., MediaFile]
READY_SECONDS = 60.0
DONE_SECONDS = 60.0
STOP_SECONDS = 20.0


@pytest.fixture
def broker() -> Iterator[Broker]:
    made = Broker()
    made.flush()
    yield made
    made.come_back()
    made.flush()


@pytest.mark.django_db
class TestPublishing:
    def test_due_media_are_sent_once(self, make_media: Make, broker: Broker) -> None:
        for _ in range(2):
            make_media()
        assert (derivation.derive(), derivation.derive()) == (2, 0)
        assert publishing.waiting_in(DERIVE) == 2

    def test_a_full_queue_is_left_alone(self, make_media: Make, broker: Broker) -> None:
        make_media()
        for _ in range(derivation.MAX_WAITING):
            broker.put(DERIVE)
        assert derivation.derive() == 0
        broker.lose(DERIVE)
        assert derivation.derive() == 1

    def test_no_more_are_sent_than_there_is_room(self, make_media: Make, broker: Broker) -> None:
        for _ in range(3):
            make_media()
        for _ in range(derivation.MAX_WAITING - 2):
            broker.put(DERIVE)
        assert (derivation.derive(), derivation.derive()) == (2, 0)
        assert publishing.waiting_in(DERIVE) == derivation.MAX_WAITING

    def test_lost_messages_are_sent_again(self, make_media: Make, broker: Broker) -> None:
        media = make_media()
        derivation.derive()
        broker.flush()
        MediaFile.objects.filter(pk=media.pk).update(derive_at=Now())
        assert derivation.derive() == 1

    def test_with_the_broker_away_nothing_is_taken(self, make_media: Make, broker: Broker) -> None:
        media = make_media()
        broker.go_away()
        with pytest.raises(RedisError):
            derivation.derive()
        broker.come_back()
        media.refresh_from_db()
        assert states.take_due(10) == [media.pk]

    def test_lost_workers_are_made_up_for(self, make_media: Make, broker: Broker) -> None:
        media = make_media()
        states.claim(media.pk)
        assert derivation.derive() == 0
        MediaFile.objects.filter(pk=media.pk).update(derive_at=Now())
        assert derivation.derive() == 2
        media.refresh_from_db()
        assert media.derivation_status == DerivationStatus.WAITING
        assert publishing.waiting_in(DERIVE) == 1

    def test_cpu_workers_serve_the_queue(self) -> None:
        assert publishing.cpu_queues() == ["gpu.cpu", "media.derive"]


@pytest.fixture
def worker(transactional_db: None, broker: Broker, tmp_path: Path) -> Iterator[subprocess.Popen]:
    """A running CPU worker with one child."""
    log = tmp_path / "worker.log"
    address = os.environ["DATABASE_URL"].rsplit("/", 1)[0]
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "worker", "cpu", "--concurrency", "1"],
            cwd=BASE_DIR,
            env={
                **os.environ,
                "DATABASE_URL": f"{address}/{connection.settings_dict['NAME']}",
            },
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        until(lambda: " ready." in log.read_text(), READY_SECONDS)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        finally:
            process.kill()


@pytest.fixture
def kept(make_media: Make) -> Callable[[bytes, int], MediaFile]:
    """A film where the worker finds it."""

    def keep(content: bytes, duration_ms: int) -> MediaFile:
        key = f"users/1/media/{uuid.uuid4()}/source.mp4"
        object_storage().write(key, content, "video/mp4")
        return make_media(r2_key=key, type=MediaType.VIDEO, duration_ms=duration_ms, metadata={})

    return keep


def is_done(media: MediaFile) -> bool:
    derivation.derive()
    media.refresh_from_db()
    return media.derivation_status == DerivationStatus.DONE


@pytest.mark.django_db(transaction=True)
def test_a_worker_makes_what_is_due(worker: Any, kept: Any) -> None:
    media = kept(film([halves(40, 220)] * 20, sound=tone(2.0)), 2000)
    until(lambda: is_done(media), DONE_SECONDS)
    assert media.sprite["count"] == 2
    for key in (media.thumbnail_r2_key, media.sprite_r2_key, media.peaks_r2_key):
        assert object_storage().head(key).size_bytes > 0
    assert (media.derivation_tries, media.derivation_progress) == (1, 1.0)


@pytest.mark.django_db(transaction=True)
def test_a_worker_child_killed_in_the_middle_is_made_up_for(worker: Any, kept: Any) -> None:
    # Large enough to be met in the middle.
    frames = [halves(40, 220, width=1920, height=1080)] * 300
    media = kept(film(frames, sound=tone(30.0)), 30_000)
    derivation.derive()

    def is_working() -> bool:
        media.refresh_from_db()
        return media.derivation_status == DerivationStatus.WORKING

    until(is_working, DONE_SECONDS)
    for child in psutil.Process(worker.pid).children():
        child.send_signal(signal.SIGKILL)
    media.refresh_from_db()
    assert media.derivation_status == DerivationStatus.WORKING
    MediaFile.objects.filter(pk=media.pk).update(derive_at=Now() - timedelta(seconds=1))

    until(lambda: is_done(media), DONE_SECONDS)
    assert media.derivation_tries == 2
