"""Photos below, above and before films: every frame of the film is shown at its time."""

from pathlib import Path

import av
import numpy as np
import pytest

from gpu_tasks.mediakit import ffmpeg
from gpu_tasks.render.contract import Clip
from tests.gpu_tasks.render.calls import Studio, clip, output, timeline
from tests.gpu_tasks.render.films import HEIGHT, WIDTH, make_coded, read_code, read_levels

RATES = ("24", "25", "30", "50", "60")
FILM, PHOTO, CLEAR, ALPHA = range(4)
"""The sources, by index."""
SECOND = 1000


@pytest.fixture(scope="module", params=RATES)
def sources(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    """Return the rate, with a film, an opaque and a clear square, and a film with alpha."""
    rate: str = request.param
    folder = tmp_path_factory.mktemp(f"stills{rate}")
    film = make_coded(folder / "film.mp4", 1, rate, 2.0)
    photo, clear = folder / "photo.png", folder / "clear.png"
    square = f"color=gray:s={WIDTH}x{WIDTH}"
    ffmpeg.run(["-f", "lavfi", "-i", square, "-frames:v", "1", photo])
    ffmpeg.run(["-f", "lavfi", "-i", f"{square},format=rgba,colorchannelmixer=aa=0.5",
                "-frames:v", "1", clear])  # fmt: skip
    alpha = folder / "alpha.mov"
    prores = ("-c:v", "prores_ks", "-profile:v", "4444", "-pix_fmt", "yuva444p10le")
    ffmpeg.run(["-i", film, *prores, alpha])
    return rate, [film, photo, clear, alpha]


def shown_numbers(film: Path) -> list[int]:
    """Return the number that each frame of a square film shows in its middle band."""
    top = (WIDTH - HEIGHT) // 2
    with av.open(str(film)) as container:
        pictures = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
    return [
        read_code(read_levels(np.ascontiguousarray(p[top : top + HEIGHT])))[1] for p in pictures
    ]


@pytest.mark.parametrize(
    "tracks",
    [
        pytest.param(([clip(PHOTO, 0, SECOND)], [clip(FILM, 0, SECOND)]), id="photo-film"),
        pytest.param(([clip(CLEAR, 0, SECOND)], [clip(FILM, 0, SECOND)]), id="clear-film"),
        pytest.param(([clip(PHOTO, 0, SECOND)], [clip(ALPHA, 0, SECOND)]), id="photo-alpha"),
        pytest.param(
            ([clip(PHOTO, 0, SECOND)], [clip(CLEAR, 0, SECOND)], [clip(FILM, 0, SECOND)]),
            id="photo-clear-film",
        ),
        pytest.param(([clip(PHOTO, 0, 400)], [clip(FILM, 0, SECOND)]), id="photo-ends-first"),
    ],
)
def test_every_frame_over_a_still_is_shown_at_its_time(
    sources: tuple[str, list[Path]], tracks: tuple[list[Clip], ...], studio: Studio
):
    rate, files = sources
    settings = output(width=WIDTH, height=WIDTH, frame_rate=rate, proxy=True)
    _, film = studio.render(timeline(files, *tracks), settings, files)
    assert shown_numbers(film) == list(range(int(rate)))


def test_a_film_after_a_dissolve_from_a_photo_is_at_its_time(
    sources: tuple[str, list[Path]], studio: Studio
):
    rate, files = sources
    settings = output(width=WIDTH, height=WIDTH, frame_rate=rate, proxy=True)
    joined = [clip(PHOTO, 0, 1400), clip(FILM, SECOND, 2 * SECOND)]
    _, film = studio.render(timeline(files, joined), settings, files)
    first = int(rate) + -(-400 * int(rate) // SECOND)  # after the dissolve
    assert shown_numbers(film)[first:] == list(range(first - int(rate), int(rate)))
