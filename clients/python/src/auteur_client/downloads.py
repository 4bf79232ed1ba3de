"""Download files from signed URLs."""

import os
import tempfile
import time
from collections.abc import Callable
from http import HTTPStatus
from itertools import islice
from pathlib import Path

import httpx

from auteur_client.errors import ProblemError, UnreachableError
from auteur_client.http import TRIES, Http, build_unreachable_error, iterate_pauses

CHUNK_BYTES = 256 * 1024

OnBytes = Callable[[int, int], object]
"""Receives the bytes downloaded, and the size of the file (0 if unknown)."""


def download(http: Http, url: str, target: Path, on_progress: OnBytes) -> Path:
    """Download a file to a temporary name, move it to ``target`` when complete, return the path."""
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
    for pause in islice(iterate_pauses(), TRIES - 1):
        try:
            return _try_download(http, url, part, on_progress)
        except UnreachableError:
            time.sleep(pause)
        except ProblemError as exc:
            if exc.status < HTTPStatus.INTERNAL_SERVER_ERROR:
                raise
            time.sleep(pause)
    return _try_download(http, url, part, on_progress)


def _try_download(http: Http, url: str, part: Path, on_progress: OnBytes) -> None:
    response = http.signed.send_once(http.signed.build_request("GET", url), stream=True)
    total = int(response.headers.get("Content-Length", 0))
    try:
        with part.open("wb") as file:
            for chunk in response.iter_bytes(CHUNK_BYTES):
                file.write(chunk)
                on_progress(response.num_bytes_downloaded, total)
    except httpx.TransportError as exc:
        raise build_unreachable_error(response.url, exc) from exc
    finally:
        response.close()


def _umask() -> int:
    """Return the process's umask, so that the file gets the usual permissions."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
