"""Many transfers in one process: slow servers hold up nobody for long."""

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from django.db import connection

from accounts.models import User
from media import imports
from media.imports import limits, transfers, worker
from media.imports.states import IMPORTS
from media.imports.transfers import Transfers, choose_slot_to_end
from media.imports.worker import Slot
from media.models import ImportStatus, MediaFile, MediaImport, MediaStatus
from tests.media import samples
from tests.media.imports.source import File, Source
from tests.waiting import until

WAIT_SECONDS = 60.0


class Trickle:
    """A film that never ends, without a version unless there is an ``etag``."""

    def __init__(self, etag: str = "") -> None:
        self.etag = etag
        self.over = threading.Event()

    def __call__(self, handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "video/mp4")
        if self.etag:
            handler.send_header("ETag", self.etag)
            handler.send_header("Content-Length", str(10 * limits.PART_BYTES))
        handler.end_headers()
        while not self.over.wait(0.05):
            handler.wfile.write(b"x" * 1024)


@pytest.fixture
def trickle() -> Iterator[Trickle]:
    trickle = Trickle()
    yield trickle
    trickle.over.set()


@pytest.fixture(autouse=True)
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_WAIT", timedelta(0))
    monkeypatch.setattr(limits, "SHARED_PACE_SECONDS", 0.0)
    # What trickles is ended by nothing else, and does not come back meanwhile.
    monkeypatch.setattr(limits, "PACE_SECONDS", 3600.0)
    monkeypatch.setattr(limits, "RETRY_AFTER", (timedelta(hours=1),) * limits.MAX_TRIES)
    monkeypatch.setattr(transfers, "POLL_SECONDS", 0.05)


@contextmanager
def serving(size: int, first: MediaFile, trickle: Trickle) -> Iterator[None]:
    """A process of so many transfers; what trickles ends with the context."""

    def serve() -> None:
        try:
            Transfers(size).serve(first.pk)
        finally:
            connection.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        trickle.over.set()
        MediaImport.objects.filter(status=ImportStatus.WAITING).update(
            due_at="2100-01-01T00:00:00Z"
        )
        thread.join(WAIT_SECONDS)
    assert not thread.is_alive()


def row_of(media: MediaFile) -> MediaImport:
    return MediaImport.objects.get(pk=media.pk)


def is_fetching(*media: MediaFile) -> bool:
    return all(row_of(media_row).status == ImportStatus.FETCHING for media_row in media)


def start(user: User, url: str) -> MediaFile:
    return imports.start_import(user_id=user.pk, project_id=None, url=url)


@pytest.mark.django_db(transaction=True)
class TestWaiting:
    def test_slow_sources_make_way_for_who_waits(
        self,
        filesystem_storage: Any,
        source: Source,
        trickle: Trickle,
        make_user: Callable[..., User],
    ) -> None:
        url = source.serves("/slow.mp4", trickle)
        slow = [start(make_user(), url) for _ in range(2)]
        with serving(2, slow[0], trickle):
            until(lambda: is_fetching(*slow), WAIT_SECONDS)
            film = start(make_user(), source.serves("/film.mp4", File(samples.video())))
            until(lambda: row_of(film).status == ImportStatus.DONE, WAIT_SECONDS)
            displaced = [media for media in slow if row_of(media).error_code == "displaced"]
            assert len(displaced) == 1
            assert row_of(displaced[0]).tries == 1

    def test_who_has_several_makes_way_first_and_loses_no_try(
        self,
        filesystem_storage: Any,
        source: Source,
        trickle: Trickle,
        make_user: Callable[..., User],
    ) -> None:
        trickle.etag = '"v1"'
        url = source.serves("/slow.mp4", trickle)
        greedy, modest = make_user(), make_user()
        slow = [start(greedy, url), start(greedy, url), start(modest, url)]
        with serving(3, slow[0], trickle):
            until(lambda: is_fetching(*slow), WAIT_SECONDS)
            film = start(make_user(), source.serves("/film.mp4", File(samples.video())))
            until(lambda: row_of(film).status == ImportStatus.DONE, WAIT_SECONDS)
            assert row_of(slow[2]).status == ImportStatus.FETCHING
            assert [row_of(media).error_code for media in slow] == [None] * 3

    def test_many_are_under_way_at_once(
        self,
        filesystem_storage: Any,
        source: Source,
        trickle: Trickle,
        make_user: Callable[..., User],
    ) -> None:
        url = source.serves("/slow.mp4", trickle)
        slow = [start(make_user(), url) for _ in range(limits.TRANSFERS - 1)]
        with serving(limits.TRANSFERS, slow[0], trickle):
            until(lambda: is_fetching(*slow), WAIT_SECONDS)
            film = start(make_user(), source.serves("/film.mp4", File(samples.video())))
            until(lambda: row_of(film).status == ImportStatus.DONE, WAIT_SECONDS)
            assert is_fetching(*slow)

    def test_a_worker_that_stops_takes_no_more(
        self,
        filesystem_storage: Any,
        source: Source,
        trickle: Trickle,
        make_user: Callable[..., User],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(transfers, "_STOPPING", bytearray(1))
        slow = start(make_user(), source.serves("/slow.mp4", trickle))
        with serving(2, slow, trickle):
            until(lambda: is_fetching(slow), WAIT_SECONDS)
            transfers.stop_serving()
            film = start(make_user(), source.serves("/film.mp4", File(samples.video())))
        assert row_of(film).tries == 0


@pytest.mark.django_db
def test_who_is_displaced_too_often_is_told_so(
    filesystem_storage: Any, source: Source, importing: Callable[..., MediaFile]
) -> None:
    media = importing(source.serves("/film.mp4", File(samples.video(), etag="")))
    for number in range(1, limits.MAX_TRIES + 1):
        assert row_of(media).tries == number - 1
        worker.run_import(media.pk, Slot(is_displaced=True))
    media.refresh_from_db()
    assert (media.status, media.metadata["rejected"]) == (MediaStatus.REJECTED, "displaced")


@pytest.mark.django_db
def test_who_has_waited_is_counted_once_and_not_while_served(
    filesystem_storage: Any, source: Source, make_user: Callable[..., User]
) -> None:
    url = source.serves("/film.mp4", File(samples.video()))
    first, other = make_user(), make_user()
    media = [start(first, url), start(first, url), start(other, url)]
    assert transfers.count_waiting_users() == 2
    IMPORTS.claim(media[0].pk)
    assert transfers.count_waiting_users() == 1


class TestChoice:
    def slot(self, pace: float, user: int, seconds: float = 100.0) -> Slot:
        slot = Slot(user_id=uuid.UUID(int=user))
        slot.began -= seconds
        slot.received_bytes = int(pace * seconds)
        return slot

    def test_the_slowest_below_the_pace(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(limits, "SHARED_PACE_SECONDS", 30.0)
        pace = limits.SHARED_PACE_BYTES
        fast = [self.slot(pace * 1.01, user) for user in (1, 2)]
        young = self.slot(1.0, 3, seconds=10.0)
        assert choose_slot_to_end([*fast, young]) is None
        slow = [self.slot(pace * share, user) for share, user in ((0.9, 4), (0.5, 5), (0.7, 6))]
        slots = [*fast, young, *slow]
        assert choose_slot_to_end(slots) is slow[1]
        slow[1].is_displaced = True
        assert choose_slot_to_end(slots) is slow[2]

    def test_of_who_has_most(self) -> None:
        several = [self.slot(pace, 1) for pace in (9e6, 8e6, 7e6)]
        fewer = [self.slot(1.0, 2), self.slot(2.0, 2)]
        assert choose_slot_to_end([*fewer, *several]) is several[2]
