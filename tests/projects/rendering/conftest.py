"""Media with objects, as jobs' tests bring them."""

from tests.jobs.features.conftest import bring, signed_urls

__all__ = ["bring", "signed_urls"]
