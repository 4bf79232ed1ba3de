"""Damaged files of several kinds: refused or taken, and never anything else than that."""

import random
from functools import cache
from pathlib import Path

import pytest

from gpu_tasks.mediakit.decoding import open_media
from gpu_tasks.runtime.errors import EngineError, ErrorCode, InputRefusedError
from media.derivation.peaks import compute_peaks
from media.derivation.pictures import make_film_pictures
from media.probing import probe
from tests.media.films import film, halves, tone


@cache
def whole(container: str) -> bytes:
    pictures = [halves(n * 2 % 200, 220) for n in range(60)]
    if container in ("mp4", "matroska"):
        return film(pictures, sound=tone(2), container=container)
    return film(pictures, container=container, codec="libx264")


def damaged(container: str, seed: int) -> bytes:
    """Bytes of the film changed, a few or many, and now and then its end is missing."""
    chance = random.Random(seed)
    content = bytearray(whole(container))
    for _ in range(chance.choice([1, 5, 50, 400])):
        content[chance.randrange(len(content))] = chance.randrange(256)
    return bytes(content[: chance.randrange(len(content))] if seed % 3 == 0 else content)


@pytest.mark.parametrize("container", ["mp4", "matroska", "mpegts", "avi"])
def test_damage_is_refused_or_lived_with(tmp_path: Path, container: str) -> None:
    seen = set()
    for seed in range(40):
        (tmp_path / "source").write_bytes(damaged(container, seed))
        duration_ms = 6000
        try:
            duration_ms = probe(str(tmp_path / "source")).duration_ms or 1
            seen.add("taken")
        except InputRefusedError as refusal:
            seen.add(refusal.code)
        for make in (make_film_pictures, compute_peaks):
            try:
                with open_media(tmp_path / "source") as opened:
                    make(opened, duration_ms, lambda share: None)
            except EngineError as exc:
                seen.add(exc.code)
    assert "taken" in seen
    refusals = {"unsupported_media", "duration_unknown", "media_too_long"}
    assert seen <= {"taken", ErrorCode.INPUT_INVALID, *refusals}
