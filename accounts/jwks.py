"""A cache of the identity provider's public keys, which survives rotations and outages."""

import logging
import threading
import time
from collections.abc import Callable

from jwt import PyJWK, PyJWKClient, PyJWKSet, PyJWTError

from auteur.core.api.problems import UnavailableProblem

logger = logging.getLogger(__name__)

FETCH_TIMEOUT_SECONDS = 3
"""How long the provider may take to answer; only requests with unknown keys wait for it."""

FRESH_SECONDS = 10 * 60
"""Age after which the set is fetched again, so that a withdrawn key stops working."""

STALE_SECONDS = 60 * 60
"""Age up to which cached keys are trusted while the provider does not answer."""

REFETCH_COOLDOWN_SECONDS = 10
"""The shortest time between two fetches, so that invented key ids cannot overload the provider."""


class KeySet:
    """The keys of one URL by their id; safe to share between threads.

    Only the fetch of PyJWKClient is used. Its own cache drops all keys if it expires during an
    outage of the provider, and makes requests with cached keys wait for the fetch of an unknown
    one.
    """

    def __init__(self, url: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = PyJWKClient(url, cache_jwk_set=False, timeout=FETCH_TIMEOUT_SECONDS)
        self._clock = clock
        self._fetching = threading.Lock()
        self._keys: dict[str, PyJWK] = {}
        self._fetched_at = self._tried_at = float("-inf")

    def find_key(self, key_id: str) -> PyJWK | None:
        """Return the key with this id, or None if the provider has none.

        Raises ``UnavailableProblem`` if the provider does not answer and the key is not cached, or
        too old.
        """
        key = self._keys.get(key_id)
        if key is None:
            with self._fetching:
                return self._fetch_unknown_key(key_id)
        if self._get_age() > FRESH_SECONDS and self._fetching.acquire(blocking=False):
            try:
                self._fetch_unless_cooling_down()
            finally:
                self._fetching.release()
            key = self._keys.get(key_id)
        if self._get_age() > STALE_SECONDS:
            raise UnavailableProblem
        return key

    def _fetch_unknown_key(self, key_id: str) -> PyJWK | None:
        if key_id not in self._keys:  # Another thread may have fetched it while this one waited.
            self._fetch_unless_cooling_down()
            if self._tried_at > self._fetched_at:
                raise UnavailableProblem
        return self._keys.get(key_id)

    def _get_age(self) -> float:
        return self._clock() - self._fetched_at

    def _fetch_unless_cooling_down(self) -> None:
        if self._clock() - self._tried_at < REFETCH_COOLDOWN_SECONDS:
            return
        self._tried_at = self._clock()
        try:
            self._keys = _parse_key_set(self._client.fetch_data())
        except (PyJWTError, OSError, ValueError) as exc:
            logger.warning("the token keys could not be fetched: %s", type(exc).__name__)
        else:
            self._fetched_at = self._tried_at


def _parse_key_set(document: dict[str, object]) -> dict[str, PyJWK]:
    if document.get("keys") == []:  # Valid if only the shared secret signs tokens.
        return {}
    return {
        key.key_id: key
        for key in PyJWKSet.from_dict(document).keys
        if key.key_id and key.public_key_use in ("sig", None)
    }
