"""Checks whether a storage supports all that we need, by trying it under a prefix of its own."""

import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta

import requests
from django.conf import settings
from django.utils import timezone

from gpu_tasks.runtime.errors import AuteurError
from media.storage import STORAGE_ERRORS, ObjectMissingError, ObjectStorage

TIMEOUT_SECONDS = 60
TYPE = "video/mp4"
PART_BYTES = 5 * 1024**2  # S3 takes no smaller one but the last
WRITERS = 8
ONCE = {"If-None-Match": "*"}


class UnfitStorageError(AuteurError):
    """What the storage did, and should not have done."""


ROOM = "storage-check"
"""Where a trial lies; what one that was killed leaves there, no row names, and is swept."""
MAX_TRIAL_BYTES = PART_BYTES


@dataclass(frozen=True)
class Finding:
    """One thing that we need, and whether the storage does it; ``detail`` is for people."""

    name: str
    is_good: bool
    detail: str


@dataclass(frozen=True)
class Trial:
    """A storage, and where in it nothing else lies."""

    storage: ObjectStorage
    prefix: str

    def key(self, name: str) -> str:
        return f"{self.prefix}/{name}"


def check_storage(storage: ObjectStorage) -> Iterator[Finding]:
    """Try all that we need, one after the other; nothing is left behind."""
    trial = Trial(storage, f"users/nobody/{ROOM}/{uuid.uuid4().hex}")
    try:
        for name, check in CHECKS.items():
            yield _found(name, check, trial)
    finally:
        for left in storage.objects(f"{trial.prefix}/"):
            storage.delete(left.key)


def _found(name: str, check: Callable[[Trial], str], trial: Trial) -> Finding:
    try:
        return Finding(name, True, check(trial))
    except (
        UnfitStorageError,
        ObjectMissingError,
        requests.RequestException,
        *STORAGE_ERRORS,
    ) as exc:
        return Finding(name, False, str(exc) or type(exc).__name__)


def _must(condition: bool, detail: str) -> None:
    if not condition:
        raise UnfitStorageError(detail)


def _put(url: str, content: bytes = b"x", /, **headers: str) -> int:
    headers = {"Content-Type": TYPE} | headers
    return requests.put(url, data=content, headers=headers, timeout=TIMEOUT_SECONDS).status_code


def _objects(trial: Trial) -> str:
    key = trial.key("objects/one")
    trial.storage.write(key, b"12345", TYPE)
    info = trial.storage.head(key)
    _must((info.size_bytes, info.content_type) == (5, TYPE), f"HEAD says {info}")
    _must(trial.storage.read(key, 5) == b"12345", "GET answers other bytes")
    listed = [one.key for one in trial.storage.objects(trial.key("objects/"))]
    _must(listed == [key], f"the listing holds {listed}")
    trial.storage.delete(key)
    _must(_is_missing(trial, key), "a deleted object is still there")
    return "put, head, get, list, delete"


def _is_missing(trial: Trial, key: str) -> bool:
    try:
        trial.storage.head(key)
    except ObjectMissingError:
        return True
    return False


def _parts(trial: Trial) -> str:
    storage, key = trial.storage, trial.key("parts")
    upload = storage.begin_parts(key, content_type=TYPE)
    for number, size in ((1, PART_BYTES), (2, 1)):
        url = storage.presigned_part(key, upload, number=number, size_bytes=size)
        status = requests.put(url, data=b"x" * size, timeout=TIMEOUT_SECONDS).status_code
        _must(status == 200, f"a part was answered with {status}")
    parts = storage.stored_parts(key, upload)
    sizes = [part.size_bytes for part in parts]
    _must(sizes == [PART_BYTES, 1], f"parts of {sizes} bytes are listed")
    storage.join_parts(key, upload, parts)
    _must(storage.head(key).size_bytes == PART_BYTES + 1, "the joined object has another size")
    return "begun, sent by signed URLs, listed, joined"


def _unfinished(trial: Trial) -> str:
    storage, key = trial.storage, trial.key("unfinished")
    upload = storage.begin_parts(key, content_type=TYPE)
    listed = storage.unfinished(before=timezone.now() + timedelta(minutes=1))
    storage.abort_parts(key, upload)
    _must(any(upload in name for name in listed), "uploads that nobody finishes are not listed")
    return "listed, aborted"


def _signed(trial: Trial) -> str:
    key = trial.key("signed")
    url = trial.storage.presigned_put(key, content_type=TYPE, size_bytes=3)
    altered = url.replace("/signed?", "/another?")
    refused = {
        "another length": _put(url, b"1234"),
        "another type": _put(url, b"123", **{"Content-Type": "text/html"}),
        "another key": _put(altered, b"123"),
        "another signature": _put(f"{url[:-1]}{'0' if url[-1] != '0' else '1'}", b"123"),
    }
    taken = {name: status for name, status in refused.items() if not 400 <= status < 500}
    _must(not taken, f"not refused: {taken}")
    _must(_is_missing(trial, key), "what was refused is there")
    status = _put(url, b"123")
    _must(status == 200, f"the right PUT is answered with {status}")
    return f"taken; refused: {', '.join(refused)}"


def _expiring(trial: Trial) -> str:
    key = trial.key("expiring")
    trial.storage.write(key, b"12345", TYPE)
    url = trial.storage.presigned_get(key, expires=2)
    ranged = requests.get(url, headers={"Range": "bytes=1-2"}, timeout=TIMEOUT_SECONDS)
    _must(ranged.content == b"23", f"a range is answered with {ranged.status_code}")
    time.sleep(3)
    status = requests.get(url, timeout=TIMEOUT_SECONDS).status_code
    _must(400 <= status < 500, f"after its time a URL is answered with {status}")
    return "a range; refused after its time"


def _once(trial: Trial) -> str:
    url = trial.storage.presigned_put(trial.key("once"), content_type=TYPE, once=True)
    statuses = [_put(url, **ONCE), _put(url, **ONCE)]
    _must(statuses == [200, 412], f"two PUTs are answered with {statuses}")
    return "the second is refused (412)"


def _once_at_once(trial: Trial) -> str:
    url = trial.storage.presigned_put(trial.key("at-once"), content_type=TYPE, once=True)
    with ThreadPoolExecutor(WRITERS) as pool:
        statuses = list(pool.map(lambda _: _put(url, **ONCE), range(WRITERS)))
    taken = statuses.count(200)
    _must(taken == 1, f"of {WRITERS} PUTs at once {taken} are taken: one may replace another")
    return f"of {WRITERS} at once one is taken"


def _cors(trial: Trial) -> str:
    url = trial.storage.presigned_put(trial.key("cors"), content_type=TYPE, once=True)
    refused = [origin for origin in settings.CORS_ALLOWED_ORIGINS if not _lets_put(url, origin)]
    _must(not refused, f"browsers may not PUT from {', '.join(refused)}")
    return "browsers may PUT from CORS_ALLOWED_ORIGINS"


def _lets_put(url: str, origin: str) -> bool:
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "content-type,if-none-match",
    }
    headers = requests.options(url, headers=asked, timeout=TIMEOUT_SECONDS).headers
    return (
        headers.get("Access-Control-Allow-Origin") in (origin, "*")
        and "PUT" in headers.get("Access-Control-Allow-Methods", "")
        and "if-none-match" in headers.get("Access-Control-Allow-Headers", "").lower()
    )


CHECKS: dict[str, Callable[[Trial], str]] = {
    "objects": _objects,
    "parts": _parts,
    "unfinished parts": _unfinished,
    "signed PUT": _signed,
    "signed GET": _expiring,
    "conditional PUT": _once,
    "conditional PUTs at once": _once_at_once,
    "CORS": _cors,
}
