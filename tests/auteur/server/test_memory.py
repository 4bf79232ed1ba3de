"""The memory of the API and its sandboxed children, with sixteen requests of each kind at once."""

import os
import subprocess
import sys
import threading
import time
import uuid
import wave
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from django.db import connection

from accounts.models import User
from auteur.devstack import ports
from auteur.devstack.processes import BASE_DIR, has_ok_answer
from media.models import MediaFile, MediaType
from media.storage import object_storage
from tests.conftest import bearer
from tests.deploy.test_memory import OWN_MIB, SHARED_MIB, container_mib
from tests.gpu_tasks.films import make_film
from tests.jobs.features.timelines import a_clip, track
from tests.media.provenance.conftest import mark, statement
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)

MIB = 1024**2
AT_ONCE = 16
PROCESSES = 2
BODY_BYTES = 8 * MIB
WAV_BYTES = 24 * MIB
SAMPLE_SECONDS = 0.05
Ask = Callable[[User], requests.Response]


class Api:
    """A server of two processes, and its memory."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int) -> None:
        self.process = psutil.Process(process.pid)
        self.url = f"http://127.0.0.1:{port}"

    def memory_mib(self) -> float:
        """Return what the processes and their children take; shared pages count once."""
        total = 0
        for process in [self.process, *self.process.children(recursive=True)]:
            try:
                total += process.memory_full_info().pss
            except psutil.Error:  # it has ended
                continue
        return total / MIB

    def ask(self, user: User, method: str, path: str, **options: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {bearer(user.pk, user.email)}"}
        headers |= options.pop("headers", {})
        return requests.request(method, self.url + path, headers=headers, timeout=120, **options)

    def peak_mib(self, ask: Ask, users: list[User]) -> float:
        """Have all users ask at once; return the most that it takes meanwhile."""
        peaks = [self.memory_mib()]
        ended = threading.Event()

        def watch() -> None:
            while not ended.wait(SAMPLE_SECONDS):
                peaks.append(self.memory_mib())

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            with ThreadPoolExecutor(AT_ONCE) as pool:
                for answer in pool.map(ask, users):
                    assert answer.status_code in {200, 400, 503}, answer.text
        finally:
            ended.set()
            watcher.join()
        return max(peaks)


def until_answered(ask: Ask, user: User) -> requests.Response:
    """Ask again after each 503, as it says; return the first other answer."""
    while (answer := ask(user)).status_code == 503:
        assert answer.json()["code"] in {"files_busy", "frames_busy"}
        time.sleep(int(answer.headers["Retry-After"]))
    return answer


@pytest.fixture
def api_server(tmp_path: Path) -> Iterator[Api]:
    (port,) = ports.find_free_ports(1)
    address = os.environ["DATABASE_URL"].rsplit("/", 1)[0]
    own = {
        "DATABASE_URL": f"{address}/{connection.settings_dict['NAME']}",
        "API_PROCESSES": str(PROCESSES),
        "RATE_LIMIT": "1000000/minute",
    }
    with (tmp_path / "log").open("w") as output:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "auteur.server", "auteur.wsgi:application"),
                *("--bind", f"127.0.0.1:{port}"),
            ],
            cwd=BASE_DIR,
            env=os.environ | own,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            until(lambda: has_ok_answer(port, "/health/live"), seconds=60)
            yield Api(process, port)
        finally:
            process.terminate()
            process.wait(20)
    assert "Traceback" not in (tmp_path / "log").read_text()


@pytest.fixture
def users(make_user: Callable[..., User]) -> list[User]:
    return [make_user() for _ in range(AT_ONCE)]


@pytest.mark.timeout(600)
def test_the_tree_stays_below_its_container_with_sixteen_of_each_kind_at_once(
    api_server: Api,
    users: list[User],
    make_media: Callable[..., MediaFile],
    tmp_path: Path,
) -> None:
    projects = {
        user: api_server.ask(user, "POST", "/projects", json={"name": "x"}).json()["id"]
        for user in users
    }
    body = b'{"a":[' + b",".join([b"[]"] * (BODY_BYTES // 3 - 4)) + b"]}"

    def bring_timeline(user: User) -> requests.Response:
        path = f"/projects/{projects[user]}/edl/import?format=otio"
        return api_server.ask(user, "POST", path, data=body, headers={"If-Match": "*"})

    def store(content: bytes, content_type: str) -> str:
        key = f"users/1/media/{uuid.uuid4()}/source"
        object_storage().write(key, content, content_type)
        return key

    film = make_film(tmp_path / "film.mp4", size="640x360", seconds=2.0).read_bytes()
    for user in users:
        key = store(film, "video/mp4")
        media = make_media(user, r2_key=key, type=MediaType.VIDEO, duration_ms=2000)
        path = f"/projects/{projects[user]}/edl"
        tracks = {"tracks": [track(a_clip(media, 0, 2000))]}
        edited = api_server.ask(user, "PUT", path, json=tracks, headers={"If-Match": "*"})
        assert edited.status_code == 200, edited.text

    def see_frame(user: User) -> requests.Response:
        path = f"/projects/{projects[user]}/frame?at_ms=1500"
        return api_server.ask(user, "GET", path)

    with wave.open(str(tmp_path / "sound.wav"), "wb") as sound:
        sound.setparams((2, 2, 48_000, 0, "NONE", "not compressed"))
        sound.writeframes(os.urandom(WAV_BYTES))
    sound_key = store((tmp_path / "sound.wav").read_bytes(), "audio/wav")
    mark(sound_key, "audio/wav", statement())
    signed = object_storage().read(sound_key, 2 * WAV_BYTES)
    sounds = {
        user: make_media(user, r2_key=store(signed, "audio/wav"), file_size_bytes=len(signed))
        for user in users
    }

    def read_credentials(user: User) -> requests.Response:
        answer = api_server.ask(user, "GET", f"/media/{sounds[user].pk}/provenance")
        assert answer.status_code == 503 or answer.json()["validation_state"] == "Trusted"
        return answer

    peaks = Counter[str]()
    for ask in (bring_timeline, see_frame, read_credentials):
        peaks[ask.__name__] = round(api_server.peak_mib(partial(until_answered, ask), users))
    alone = [users[0]] * AT_ONCE
    peaks["of one user"] = round(api_server.peak_mib(bring_timeline, alone))
    assert max(peaks.values()) <= container_mib("api"), peaks
    processes = SHARED_MIB + PROCESSES * OWN_MIB["api"]
    until(lambda: api_server.memory_mib() <= processes, seconds=10)
