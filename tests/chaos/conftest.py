"""One stack for all faults."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.stack import ChaosStack


@pytest.fixture(scope="package")
def stack() -> Iterator[ChaosStack]:
    """The processes to hurt; not in pytest's own folder, as in `tests.journeys.conftest`."""
    with tempfile.TemporaryDirectory(prefix="auteur-chaos-") as folder:
        with ChaosStack(Path(folder)) as running:
            yield running
