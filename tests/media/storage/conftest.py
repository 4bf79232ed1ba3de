"""Where no row is: a room in which everything is expected."""

import pytest

from media.storage import owners


@pytest.fixture(autouse=True)
def anything_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the room `tests`, up to 2 GiB."""
    anything = owners.Owner("tests", expects=lambda key: 2 * 1024**3)
    monkeypatch.setattr(owners, "_owners", [*owners._owners, anything])
