"""One stack for all faults."""

from collections.abc import Iterator

import pytest

from tests.chaos.stack import ChaosStack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChaosStack]:
    """The processes to hurt."""
    with ChaosStack(tmp_path_factory.mktemp("chaos")) as running:
        yield running
