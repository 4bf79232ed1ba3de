"""The identity provider's public keys: cached, refetched on rotation, kept while it is away."""

import logging
import threading
import time
from collections.abc import Callable

from jwt import PyJWK, PyJWKClient, PyJWKSet, PyJWTError

from auteur.api.problems import UnavailableProblem

logger = logging.getLogger(__name__)

FETCH_TIMEOUT_SECONDS = 3
"""How long the provider may take to answer; meanwhile only unknown keys wait."""

FRESH_SECONDS = 10 * 60
"""Age after which the set is fetched again, so that a withdrawn key stops working."""

STALE_SECONDS = 60 * 60
"""Age up to which known keys are trusted while the provider is away."""

REFETCH_COOLDOWN_SECONDS = 10
"""Least time between two fetches, good or failed: made-up key ids cannot hammer the provider."""


class KeySet:
    """The keys at one address, by their id; safe to share between threads.

    PyJWKClient's own cache forgets every key when it expires while the provider is away, and makes
    requests with known keys wait for a fetch on behalf of an unknown one: only its fetch is used.
    """

    def __init__(self, url: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = PyJWKClient(url, cache_jwk_set=False, timeout=FETCH_TIMEOUT_SECONDS)
        self._clock = clock
        self._fetching = threading.Lock()
        self._keys: dict[str, PyJWK] = {}
        self._fetched_at = self._tried_at = float("-inf")

    def key(self, key_id: str) -> PyJWK | None:
        """The key of this id, ``None`` if the provider has none.

        Raises ``UnavailableProblem`` if the provider is away and the key is unknown or trusted no
        longer.
        """
        known = self._keys.get(key_id)
        if known is None:
            with self._fetching:
                return self._fetch_unknown(key_id)
        if self._age() > FRESH_SECONDS and self._fetching.acquire(blocking=False):
            try:
                self._fetch_unless_cooling()
            finally:
                self._fetching.release()
            known = self._keys.get(key_id)
        if self._age() > STALE_SECONDS:
            raise UnavailableProblem
        return known

    def _fetch_unknown(self, key_id: str) -> PyJWK | None:
        if key_id not in self._keys:  # else another thread fetched it while this one waited
            self._fetch_unless_cooling()
            if self._tried_at > self._fetched_at:
                raise UnavailableProblem
        return self._keys.get(key_id)

    def _age(self) -> float:
        return self._clock() - self._fetched_at

    def _fetch_unless_cooling(self) -> None:
        if self._clock() - self._tried_at < REFETCH_COOLDOWN_SECONDS:
            return
        self._tried_at = self._clock()
        try:
            self._keys = _by_id(self._client.fetch_data())
        except (PyJWTError, OSError, ValueError) as exc:
            logger.warning("the token keys could not be fetched: %s", type(exc).__name__)
        else:
            self._fetched_at = self._tried_at


def _by_id(document: dict[str, object]) -> dict[str, PyJWK]:
    if document.get("keys") == []:  # right where tokens are signed with the shared secret alone
        return {}
    return {
        key.key_id: key
        for key in PyJWKSet.from_dict(document).keys
        if key.key_id and key.public_key_use in ("sig", None)
    }
