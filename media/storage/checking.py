"""Check that a storage supports all that Auteur needs, by trying it under a separate prefix."""

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
PART_BYTES = 5 * 1024**2  # The smallest part that S3 accepts, except for the last part.
WRITERS = 8
ONCE = {"If-None-Match": "*"}


class UnfitStorageError(AuteurError):
    """Raised with a description of the storage's wrong behaviour."""


ROOM = "storage-check"
"""The folder of trials. No row names what a killed trial leaves there, so it is swept."""
MAX_TRIAL_BYTES = PART_BYTES


@dataclass(frozen=True)
class Finding:
    """The result of one check of a storage; ``detail`` is for people."""

    name: str
    is_good: bool
    detail: str


@dataclass(frozen=True)
class Trial:
    """A storage, and an unused prefix in it."""

    storage: ObjectStorage
    prefix: str

    def key(self, name: str) -> str:
        return f"{self.prefix}/{name}"


def check_storage(storage: ObjectStorage) -> Iterator[Finding]:
    """Run all checks one after the other, and delete their objects at the end."""
    trial = Trial(storage, f"users/nobody/{ROOM}/{uuid.uuid4().hex}")
    try:
        for name, check in CHECKS.items():
            yield _run_check(name, check, trial)
    finally:
        for stored in storage.list_objects(f"{trial.prefix}/"):
            storage.delete(stored.key)


def _run_check(name: str, check: Callable[[Trial], str], trial: Trial) -> Finding:
    try:
        return Finding(name, True, check(trial))
    except (
        UnfitStorageError,
        ObjectMissingError,
        requests.RequestException,
        *STORAGE_ERRORS,
    ) as exc:
        return Finding(name, False, str(exc) or type(exc).__name__)


def _require(condition: bool, detail: str) -> None:
    if not condition:
        raise UnfitStorageError(detail)


def _send_put(url: str, content: bytes = b"x", /, **headers: str) -> int:
    headers = {"Content-Type": TYPE} | headers
    return requests.put(url, data=content, headers=headers, timeout=TIMEOUT_SECONDS).status_code


def _check_objects(trial: Trial) -> str:
    key = trial.key("objects/one")
    trial.storage.write(key, b"12345", TYPE)
    info = trial.storage.head(key)
    _require((info.size_bytes, info.content_type) == (5, TYPE), f"HEAD returned {info}")
    _require(trial.storage.read(key, 5) == b"12345", "GET returned other bytes")
    keys = [stored.key for stored in trial.storage.list_objects(trial.key("objects/"))]
    _require(keys == [key], f"the listing returned {keys}")
    trial.storage.delete(key)
    _require(_is_missing(trial, key), "a deleted object is still there")
    return "put, head, get, list, delete"


def _is_missing(trial: Trial, key: str) -> bool:
    try:
        trial.storage.head(key)
    except ObjectMissingError:
        return True
    return False


def _check_parts(trial: Trial) -> str:
    storage, key = trial.storage, trial.key("parts")
    upload_id = storage.begin_parts(key, content_type=TYPE)
    for number, size in ((1, PART_BYTES), (2, 1)):
        url = storage.presigned_part(key, upload_id, number=number, size_bytes=size)
        status = requests.put(url, data=b"x" * size, timeout=TIMEOUT_SECONDS).status_code
        _require(status == 200, f"the PUT of a part returned {status}")
    parts = storage.list_stored_parts(key, upload_id)
    sizes = [part.size_bytes for part in parts]
    _require(sizes == [PART_BYTES, 1], f"parts of {sizes} bytes are listed")
    storage.join_parts(key, upload_id, parts)
    _require(storage.head(key).size_bytes == PART_BYTES + 1, "the joined object has another size")
    return "begun, sent by signed URLs, listed, joined"


def _check_unfinished(trial: Trial) -> str:
    storage, key = trial.storage, trial.key("unfinished")
    upload_id = storage.begin_parts(key, content_type=TYPE)
    names = storage.list_unfinished(before=timezone.now() + timedelta(minutes=1))
    storage.abort_parts(key, upload_id)
    _require(any(upload_id in name for name in names), "unfinished uploads are not listed")
    return "listed, aborted"


def _check_signed_put(trial: Trial) -> str:
    key = trial.key("signed")
    url = trial.storage.presigned_put(key, content_type=TYPE, size_bytes=3)
    altered = url.replace("/signed?", "/another?")
    statuses = {
        "another length": _send_put(url, b"1234"),
        "another type": _send_put(url, b"123", **{"Content-Type": "text/html"}),
        "another key": _send_put(altered, b"123"),
        "another signature": _send_put(f"{url[:-1]}{'0' if url[-1] != '0' else '1'}", b"123"),
    }
    accepted = {name: status for name, status in statuses.items() if not 400 <= status < 500}
    _require(not accepted, f"not refused: {accepted}")
    _require(_is_missing(trial, key), "a refused object was stored")
    status = _send_put(url, b"123")
    _require(status == 200, f"a correct PUT returned {status}")
    return f"accepted; refused: {', '.join(statuses)}"


def _check_signed_get(trial: Trial) -> str:
    key = trial.key("expiring")
    trial.storage.write(key, b"12345", TYPE)
    url = trial.storage.presigned_get(key, expires=2)
    ranged = requests.get(url, headers={"Range": "bytes=1-2"}, timeout=TIMEOUT_SECONDS)
    _require(ranged.content == b"23", f"the request for a range returned {ranged.status_code}")
    time.sleep(3)
    status = requests.get(url, timeout=TIMEOUT_SECONDS).status_code
    _require(400 <= status < 500, f"an expired URL returned {status}")
    return "range read; refused after expiry"


def _check_conditional_put(trial: Trial) -> str:
    url = trial.storage.presigned_put(trial.key("once"), content_type=TYPE, once=True)
    statuses = [_send_put(url, **ONCE), _send_put(url, **ONCE)]
    _require(statuses == [200, 412], f"two PUTs returned {statuses}")
    return "the second is refused (412)"


def _check_concurrent_puts(trial: Trial) -> str:
    url = trial.storage.presigned_put(trial.key("at-once"), content_type=TYPE, once=True)
    with ThreadPoolExecutor(WRITERS) as pool:
        statuses = list(pool.map(lambda _: _send_put(url, **ONCE), range(WRITERS)))
    accepted_count = statuses.count(200)
    _require(
        accepted_count == 1,
        f"{accepted_count} of {WRITERS} concurrent PUTs were accepted, so one may replace another",
    )
    return f"one of {WRITERS} concurrent PUTs is accepted"


def _check_cors(trial: Trial) -> str:
    url = trial.storage.presigned_put(trial.key("cors"), content_type=TYPE, once=True)
    refused_origins = [
        origin for origin in settings.CORS_ALLOWED_ORIGINS if not _allows_put_from(url, origin)
    ]
    _require(not refused_origins, f"browsers may not PUT from {', '.join(refused_origins)}")
    return "browsers may PUT from CORS_ALLOWED_ORIGINS"


def _allows_put_from(url: str, origin: str) -> bool:
    request_headers = {
        "Origin": origin,
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "content-type,if-none-match",
    }
    headers = requests.options(url, headers=request_headers, timeout=TIMEOUT_SECONDS).headers
    return (
        headers.get("Access-Control-Allow-Origin") in (origin, "*")
        and "PUT" in headers.get("Access-Control-Allow-Methods", "")
        and "if-none-match" in headers.get("Access-Control-Allow-Headers", "").lower()
    )


CHECKS: dict[str, Callable[[Trial], str]] = {
    "objects": _check_objects,
    "parts": _check_parts,
    "unfinished parts": _check_unfinished,
    "signed PUT": _check_signed_put,
    "signed GET": _check_signed_get,
    "conditional PUT": _check_conditional_put,
    "conditional PUTs at once": _check_concurrent_puts,
    "CORS": _check_cors,
}
