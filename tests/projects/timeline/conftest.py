"""A recording that films are cut from."""

from collections.abc import Callable

import pytest

from media.models import MediaFile, MediaType


@pytest.fixture
def film(make_media: Callable[..., MediaFile]) -> MediaFile:
    """A minute of video."""
    return make_media(type=MediaType.VIDEO, duration_ms=60_000)
