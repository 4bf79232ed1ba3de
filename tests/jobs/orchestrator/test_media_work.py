"""Checks and pictures between orchestrator and workers: published, lost, made all the same."""

import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone
from redis.exceptions import RedisError

from accounts.models import User
from auteur.core.work.broker import count_messages
from auteur.devstack.processes import BASE_DIR
from jobs import publishing
from jobs.management.commands.worker import processes_of
from jobs.orchestrator import media_work
from media import imports
from media.deletion import delete_media
from media.derivation.states import DERIVATIONS
from media.imports.limits import PART_BYTES
from media.imports.states import IMPORTS
from media.models import (
    DerivationStatus,
    ImportStatus,
    MediaFile,
    MediaImport,
    MediaStatus,
    MediaType,
)
from media.storage import object_storage
from tests.jobs.broker import Broker
from tests.media.films import film, halves, tone
from tests.media.imports.conftest import MARGIN_BYTES, padded_film
from tests.media.imports.source import File, Source
from tests.waiting import until

Make = Callable[..., MediaFile]
READY_SECONDS = 60.0
DONE_SECONDS = 60.0
STOP_SECONDS = 20.0
DERIVE = "media.derive"


@pytest.fixture
def broker() -> Iterator[Broker]:
    new_broker = Broker()
    new_broker.flush()
    yield new_broker
    new_broker.come_back()
    new_broker.flush()


@pytest.mark.django_db
class TestPublishing:
    @pytest.fixture(autouse=True)
    def no_limit(self, settings: Any) -> None:
        settings.DERIVE_LIMIT = 1000

    def test_due_media_are_sent_once(self, make_media: Make, broker: Broker) -> None:
        for _ in range(2):
            make_media()
        assert (media_work.wake_media(), media_work.wake_media()) == (2, 0)
        assert count_messages([DERIVE])[DERIVE] == 2

    def test_a_full_queue_is_left_alone(self, make_media: Make, broker: Broker) -> None:
        make_media()
        for _ in range(media_work.MAX_WAITING):
            broker.put(DERIVE)
        assert media_work.wake_media() == 0
        broker.lose(DERIVE)
        assert media_work.wake_media() == 1

    def test_no_more_are_sent_than_there_is_room(self, make_media: Make, broker: Broker) -> None:
        for _ in range(3):
            make_media()
        for _ in range(media_work.MAX_WAITING - 2):
            broker.put(DERIVE)
        assert (media_work.wake_media(), media_work.wake_media()) == (2, 0)
        assert count_messages([DERIVE])[DERIVE] == media_work.MAX_WAITING

    def test_lost_messages_are_sent_again(self, make_media: Make, broker: Broker) -> None:
        media = make_media()
        media_work.wake_media()
        broker.flush()
        MediaFile.objects.filter(pk=media.pk).update(derive_at=Now())
        assert media_work.wake_media() == 1

    def test_with_the_broker_away_nothing_is_taken(self, make_media: Make, broker: Broker) -> None:
        media = make_media()
        broker.go_away()
        with pytest.raises(RedisError):
            media_work.wake_media()
        broker.come_back()
        media.refresh_from_db()
        assert DERIVATIONS.select_due(10) == [media.pk]

    @pytest.mark.usefixtures("long_watch")
    def test_lost_workers_are_made_up_for(self, make_media: Make, broker: Broker) -> None:
        media = make_media()
        DERIVATIONS.claim(media.pk)
        assert media_work.wake_media() == 0
        MediaFile.objects.filter(pk=media.pk).update(derive_at=Now())
        assert media_work.wake_media() == 2
        media.refresh_from_db()
        assert media.derivation_status == DerivationStatus.WAITING
        assert count_messages([DERIVE])[DERIVE] == 1

    def test_who_serves_paid_work_serves_no_media(self) -> None:
        assert publishing.media_queues() == [
            "media.check",
            "voices.check",
            "consents.follow",
            "media.import",
            "media.derive",
            "accounts.close",
            "accounts.export",
        ]
        assert publishing.cpu_queues() == ["gpu.cpu"]
        assert not {*publishing.step_queues()} & {*publishing.media_queues()}

    def test_imports_and_exports_take_no_process_from_checks(self, settings: Any) -> None:
        settings.WORKER_CONCURRENCY, settings.IMPORT_LIMIT, settings.EXPORT_LIMIT = 3, 2, 4
        assert [processes_of(role) for role in ("steps", "media", "gpu")] == [3, 9, 1]

    def test_as_many_processes_fetch_as_may_however_much_each_has(
        self, user: User, broker: Broker, settings: Any
    ) -> None:
        settings.IMPORT_LIMIT = 2
        with Source() as source:
            media = [
                imports.start_import(user_id=user.pk, project_id=None, url=source.url())
                for _ in range(4)
            ]
        for row in media[:2]:  # both by this process
            IMPORTS.claim(row.pk)
        assert media_work.wake_media() == 1
        broker.lose("media.import")
        MediaImport.objects.filter(pk=media[2].pk).update(
            status=ImportStatus.FETCHING, holder="another process"
        )
        assert media_work.wake_media() == 0

    def test_derivatives_leave_a_process_for_checks(
        self, make_media: Make, broker: Broker, settings: Any
    ) -> None:
        settings.DERIVE_LIMIT = 2
        media = [make_media() for _ in range(4)]
        assert media_work.wake_media() == 2
        broker.lose(DERIVE)
        DERIVATIONS.claim(media[0].pk)
        MediaFile.objects.filter(derivation_claim=None).update(derive_at=Now())
        assert media_work.wake_media() == 1
        for _ in range(3):
            make_media(status=MediaStatus.CHECKING, check_at=Now())
        assert media_work.wake_media() == 3
        assert count_messages(["media.check"])["media.check"] == 3


@pytest.fixture
def worker(transactional_db: None, broker: Broker, tmp_path: Path) -> Iterator[subprocess.Popen]:
    """A running worker for media with one child."""
    log = tmp_path / "worker.log"
    address = os.environ["DATABASE_URL"].rsplit("/", 1)[0]
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "worker", "media", "--concurrency", "1"],
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
    media_work.wake_media()
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
@pytest.mark.usefixtures("long_watch")
def test_a_worker_child_killed_in_the_middle_is_made_up_for(worker: Any, kept: Any) -> None:
    # Large enough to be met in the middle.
    frames = [halves(40, 220, width=1920, height=1080)] * 300
    media = kept(film(frames, sound=tone(30.0)), 30_000)
    media_work.wake_media()

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


@pytest.fixture
def stalling() -> Iterator[tuple[Source, File]]:
    """A film that waits behind its first part until it is let go."""
    content = padded_film(size_bytes=PART_BYTES + MARGIN_BYTES)
    file = File(content, break_after=len(content) - 1, waits=threading.Event())
    with Source() as source:
        source.serves("/film.mp4", file)
        yield source, file
        file.waits.set()


@pytest.fixture
def fetching(user: User, stalling: tuple[Source, File]) -> Callable[[], MediaImport]:
    """An import that a worker is in the middle of."""
    source, file = stalling

    def begin() -> MediaImport:
        file.break_after = len(file.content) - 1
        media = imports.start_import(user_id=user.pk, project_id=None, url=source.url())
        row = MediaImport.objects.get(pk=media.pk)

        def is_in_the_middle() -> bool:
            media_work.wake_media()
            row.refresh_from_db()
            return row.received_bytes > PART_BYTES

        until(is_in_the_middle, DONE_SECONDS)
        return row

    return begin


@pytest.mark.django_db(transaction=True)
def test_imports_outlive_their_workers_and_end_with_their_media(
    worker: Any, fetching: Any, stalling: tuple[Source, File], tmp_path: Path
) -> None:
    source, _ = stalling
    row = fetching()
    for child in psutil.Process(worker.pid).children():
        child.send_signal(signal.SIGKILL)

    def is_checked() -> bool:
        media_work.wake_media()
        row.media.refresh_from_db()
        return row.media.status == MediaStatus.READY

    until(is_checked, DONE_SECONDS)
    row.refresh_from_db()
    assert (row.status, row.tries, row.url) == (ImportStatus.DONE, 2, None)
    assert source.asked[1].headers["range"] == f"bytes={PART_BYTES}-"

    deleted = fetching()
    upload_id = deleted.media.upload_id
    delete_media(user_id=deleted.user_id, media_id=deleted.pk)
    log = tmp_path / "worker.log"
    until(
        lambda: f"another worker has claimed import {deleted.pk}" in log.read_text(), DONE_SECONDS
    )
    tomorrow = timezone.now() + timedelta(days=1)
    assert upload_id
    assert upload_id not in str(object_storage().list_unfinished(before=tomorrow))

    stopped = fetching()
    worker.send_signal(signal.SIGTERM)
    worker.wait(STOP_SECONDS)
    stopped.refresh_from_db()
    assert (stopped.status, stopped.tries) == (ImportStatus.WAITING, 0)
    assert IMPORTS.claim(stopped.pk) is not None
