"""HDR in standard range: what is no brighter than white looks as it does there."""

from pathlib import Path

import numpy as np
import pytest

from gpu_tasks.mediakit.film import probe
from tests.gpu_tasks.hdr import HLG, PATCHES, PQ, Floats, hdr_film, light_of, shown


def standard(path: Path, light: Floats, transfer: int) -> Floats:
    film = probe(hdr_film(path, light, transfer))
    assert film.is_hdr
    return shown(next(iter(film.frames())))


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_what_is_no_brighter_than_white_keeps_its_colour(tmp_path: Path, transfer: int):
    colours = standard(tmp_path / "film.mkv", light_of(PATCHES), transfer)
    assert colours == pytest.approx(PATCHES, rel=0.05, abs=6)


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_what_is_brighter_is_told_apart_and_keeps_its_hue(tmp_path: Path, transfer: int):
    orange = np.array([1.0, 0.5, 0.1])
    light = np.array([orange, 2 * orange, 4.9 * orange])
    colours = standard(tmp_path / "film.mkv", light, transfer)
    assert 240 < colours[0, 0] < colours[1, 0] - 5 < colours[2, 0] - 5
    assert light_of(colours) / light_of(colours)[:, :1] == pytest.approx(
        np.array([orange] * 3), abs=0.02
    )
