"""Sources that tests share; each is made once."""

from pathlib import Path

import pytest

from tests.gpu_tasks.films import make_film
from tests.gpu_tasks.render.calls import Studio
from tests.gpu_tasks.render.films import make_coded

CODED = (
    ("24.mp4", "24", ()),
    ("25.mp4", "25", ()),
    ("ntsc.mp4", "30000/1001", ()),
    ("30.mkv", "30", ()),
    ("50.mp4", "50", ()),
    ("12.ts", "12", ()),
    # Every other frame is left out: its rate varies.
    ("vfr.mp4", "25", ("-vf", "select='lt(n,50)+not(mod(n,2))'", "-fps_mode", "vfr")),
)
SECONDS = 8.0


@pytest.fixture(scope="session")
def coded(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Films whose frames tell their numbers; the place in the list, from 1, is the source."""
    folder = tmp_path_factory.mktemp("coded")
    return [
        make_coded(folder / name, position, rate, SECONDS, extra)
        for position, (name, rate, extra) in enumerate(CODED, start=1)
    ]


@pytest.fixture(scope="session")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty seconds with a tone."""
    return make_film(tmp_path_factory.mktemp("spoken") / "spoken.mp4", seconds=20.0)


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    """Return a studio without rendered segments."""
    return Studio(tmp_path)
