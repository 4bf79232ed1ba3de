"""Fixtures of the accounts tests."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.accounts.provider import Provider


@pytest.fixture
def provider(settings: Any) -> Iterator[Provider]:
    """An identity provider that the API trusts."""
    provider = Provider()
    settings.SUPABASE_JWKS_URL = provider.url
    yield provider
    provider.go_away()
