"""Results on their way here: whole or not at all."""

import os
import tempfile
import time
from collections.abc import Callable
from http import HTTPStatus
from itertools import islice
from pathlib import Path

import httpx

from auteur_client.errors import ProblemError, UnreachableError
from auteur_client.http import TRIES, Http, growing_pauses, unreachable

CHUNK_BYTES = 256 * 1024

OnBytes = Callable[[int, int], object]
"""Bytes that are here, bytes in all (0: not known)."""


def download(http: Http, url: str, target: Path, on_progress: OnBytes) -> Path:
    """Bring a file here from a signed URL, under another name until it is whole; where it lies."""
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:100]}.")
    os.close(handle)
    part = Path(name)
    try:
        _fetch(http, url, part, on_progress)
        part.chmod(0o666 & ~_umask())
        return part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _fetch(http: Http, url: str, part: Path, on_progress: OnBytes) -> None:
    for pause in islice(growing_pauses(), TRIES - 1):
        try:
            return _try(http, url, part, on_progress)
        except UnreachableError:
            time.sleep(pause)
        except ProblemError as exc:
            if exc.status < HTTPStatus.INTERNAL_SERVER_ERROR:
                raise
            time.sleep(pause)
    return _try(http, url, part, on_progress)


def _try(http: Http, url: str, part: Path, on_progress: OnBytes) -> None:
    response = http.signed.send_once(http.signed.build_request("GET", url), stream=True)
    total = int(response.headers.get("Content-Length", 0))
    try:
        with part.open("wb") as file:
            for chunk in response.iter_bytes(CHUNK_BYTES):
                file.write(chunk)
                on_progress(response.num_bytes_downloaded, total)
    except httpx.TransportError as exc:
        raise unreachable(response.url, exc) from exc
    finally:
        response.close()


def _umask() -> int:
    """As a file made in the usual way would have it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
