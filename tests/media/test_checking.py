"""Confirmed uploads are looked at by a task: what that costs and decides, and whose turn it is."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db.models.functions import Now
from rest_framework.test import APIClient

from accounts.models import User
from auteur.core.work.leases import MAX_TRIES, LeaseLostError, Leases
from auteur.devstack.processes import BASE_DIR
from gpu_tasks.runtime.confinement import MIB
from media import checking, inspection, limits
from media.derivation.states import DERIVATIONS
from media.kinds import FILES
from media.limits import MEMORY_BYTES
from media.models import MediaFile, MediaStatus
from media.storage import ObjectMissingError, ObjectStorage
from media.storage.s3 import PresignedS3Storage
from tests.media import bombs, samples

CHECKS = checking.CHECKS[FILES]
Make = Callable[..., MediaFile]
Confirm = Callable[[MediaFile], Any]
INTERPRETER_BYTES = 128 * MIB
"""Python, NumPy and FFmpeg's libraries."""
LOOK = """
import json, resource, sys
from gpu_tasks.runtime import sandbox
from gpu_tasks.runtime.sources import open_source
from media import limits

try:
    source = open_source(sys.argv[1])
    sandbox.run("media.probing:probe_as_json", {}, limits=limits.PROBING, source=source)
    outcome = "answered"
except Exception as exc:
    outcome = repr(exc)
print(json.dumps([outcome, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024]))
"""
BOMBS = {
    "film of four pictures": ("mov", lambda: bombs.mov_of_pictures(4, 8000)),
    "text": ("png", lambda: bombs.png_with_text(800 * MIB)),
    "profile": ("png", lambda: bombs.png_with_profile(800 * MIB)),
}


class TestBombs:
    @pytest.mark.parametrize(("suffix", "make"), BOMBS.values(), ids=BOMBS)
    def test_none_takes_more_memory_than_the_limit(
        self, tmp_path: Path, suffix: str, make: Callable[[], bytes]
    ) -> None:
        content = make()
        assert len(content) < 3 * MIB
        path = tmp_path / f"source.{suffix}"
        path.write_bytes(content)
        output = subprocess.run(
            [sys.executable, "-c", LOOK, path],
            cwd=BASE_DIR,
            capture_output=True,
            text=True,
            check=True,
        )
        outcome, accepted = json.loads(output.stdout)
        assert outcome == "answered" or "memory" in outcome
        assert accepted < MEMORY_BYTES + INTERPRETER_BYTES


def test_what_takes_more_than_a_limit_is_rejected(
    filesystem_storage: ObjectStorage,
    uploaded: Make,
    confirm: Confirm,
    api: APIClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(inspection, "PROBING", replace(limits.PROBING, wall_seconds=0.0))
    media = uploaded(samples.video())
    answer = confirm(media)
    assert (answer.status_code, answer.json()["reason"]) == (409, "media_too_complex")
    assert api.get(f"/media/{media.pk}").json()["rejection"]["code"] == "media_too_complex"
    with pytest.raises(ObjectMissingError):
        filesystem_storage.head(media.r2_key)


def test_confirming_answers_at_once_and_again(
    storage: ObjectStorage, uploaded: Make, begin_confirm: Confirm, confirm: Confirm, api: APIClient
) -> None:
    content = samples.video()
    media = uploaded(content)
    first, second = begin_confirm(media), begin_confirm(media)
    assert (first.status_code, second.status_code) == (202, 202)
    media_body = first.json()["media"]
    assert media_body == second.json()["media"]
    assert (media_body["status"], media_body["file_size_bytes"]) == ("checking", len(content))
    assert api.get(f"/media/{media.pk}").json()["download_url"] is None
    assert api.get("/users/me").json()["storage"]["used_bytes"] == len(content)
    assert confirm(media).json()["media"]["status"] == "ready"
    assert begin_confirm(media).status_code == 200


def test_with_the_storage_away_a_check_waits_and_no_try_is_lost(
    s3_storage: PresignedS3Storage,
    use_s3: Callable[..., PresignedS3Storage],
    s3_server: str,
    uploaded: Make,
    begin_confirm: Confirm,
) -> None:
    media = uploaded(samples.video())
    begin_confirm(media)
    use_s3("http://127.0.0.1:9")
    checking.run_check(FILES, media.pk)
    media.refresh_from_db()
    assert (media.status, media.check_tries, media.check_claim) == (MediaStatus.CHECKING, 0, None)
    assert CHECKS.select_due(10) == []

    use_s3(s3_server)
    checking.run_check(FILES, media.pk)
    media.refresh_from_db()
    assert (media.status, media.check_at) == (MediaStatus.READY, None)


def test_an_object_that_is_gone_is_rejected(
    filesystem_storage: ObjectStorage, uploaded: Make, begin_confirm: Confirm, confirm: Confirm
) -> None:
    media = uploaded(samples.video())
    begin_confirm(media)
    filesystem_storage.delete(media.r2_key)
    assert confirm(media).json()["reason"] == "upload_missing"


@pytest.mark.usefixtures("long_watch")
def test_a_file_that_workers_die_of_is_given_up(
    filesystem_storage: ObjectStorage,
    uploaded: Make,
    begin_confirm: Confirm,
    django_capture_on_commit_callbacks: Any,
) -> None:
    media = uploaded(samples.video())
    begin_confirm(media)
    for _ in range(MAX_TRIES):
        assert CHECKS.claim(media.pk) is not None
        MediaFile.objects.filter(pk=media.pk).update(check_at=Now() - timedelta(seconds=1))
        with django_capture_on_commit_callbacks(execute=True):
            assert CHECKS.expire() == 1
    assert CHECKS.claim(media.pk) is None
    answer = begin_confirm(media)
    assert (answer.status_code, answer.json()["reason"]) == (409, "check_failed")
    with pytest.raises(ObjectMissingError):
        filesystem_storage.head(media.r2_key)


def test_deleted_while_it_is_checked(
    filesystem_storage: ObjectStorage, uploaded: Make, begin_confirm: Confirm, api: APIClient
) -> None:
    media = uploaded(samples.video())
    begin_confirm(media)
    claim = CHECKS.claim(media.pk)
    assert api.delete(f"/media/{media.pk}").status_code == 204
    with pytest.raises(LeaseLostError):
        claim.renew()
    checking.run_check(FILES, media.pk)
    assert not MediaFile.objects.exists()


@pytest.mark.parametrize("line", [CHECKS, DERIVATIONS], ids=["checks", "derivatives"])
def test_users_take_turns(
    make_media: Make, make_user: Callable[..., User], line: Leases[MediaFile]
) -> None:
    state = {"status": MediaStatus.CHECKING, "check_at": Now()} if line is CHECKS else {}
    many = [make_media(**state) for _ in range(6)]
    other, third = make_user(), make_user()
    few = [make_media(other, **state), make_media(third, **state)]
    first = line.select_due(3)
    assert {media.pk for media in few} < set(first)
    assert set(line.select_due(10)) == {media.pk for media in many} - set(first)


@pytest.mark.parametrize("line", [CHECKS, DERIVATIONS], ids=["check", "derive"])
def test_users_take_turns_over_time(
    make_media: Make, make_user: Callable[..., User], line: Leases[MediaFile]
) -> None:
    """Where one is taken at a time, who came later is next after one of the other's."""
    state = {"status": MediaStatus.CHECKING, "check_at": Now()} if line is CHECKS else {}
    many = [make_media(**state) for _ in range(4)]
    other = make_user()
    few = [make_media(other, **state) for _ in range(2)]
    line = replace(line, served={})
    accepted = [media_id for _ in range(6) for media_id in line.select_due(1)]
    assert accepted == [
        pk for media in zip(many, few, strict=False) for pk in (m.pk for m in media)
    ] + [media.pk for media in many[2:]]


@pytest.mark.parametrize("line", [CHECKS, DERIVATIONS], ids=["check", "derive"])
def test_what_is_held_of_a_user_counts(
    make_media: Make, make_user: Callable[..., User], line: Leases[MediaFile]
) -> None:
    state = {"status": MediaStatus.CHECKING, "check_at": Now()} if line is CHECKS else {}
    running, waiting = (make_media(**state) for _ in range(2))
    other = make_media(make_user(), **state)
    line = replace(line, served={})
    assert line.claim(running.pk)
    assert line.select_due(1) == [other.pk]
    assert line.select_due(1) == [waiting.pk]
