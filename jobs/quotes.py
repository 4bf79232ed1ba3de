"""Estimate the price and duration of a job, and issue quotes, which bind.

A quote is a signed value and no row. It names user, feature, parameters and price, so it holds for
no other user and no other job, until it expires.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.core import signing
from django.utils import timezone

from auteur.core.api.problems import Problem
from jobs.features.base import Feature, to_stored_parameters
from jobs.queries import compute_duration_statistics

LIFETIME = timedelta(minutes=15)

_SIGNER = signing.Signer(salt="jobs.quotes")


class InvalidQuoteProblem(Problem):
    """Raised if the quote is not ours, is for another user or other parameters, or has expired."""

    default_code = "invalid_quote"
    default_detail = "The quote is for other parameters or has expired. Request a new estimate."

    def __init__(self) -> None:
        error = {"field": "quote_id", "code": self.default_code, "detail": self.default_detail}
        super().__init__(errors=[error])


@dataclass(frozen=True)
class Price:
    """A price, and the version of its tariff."""

    credits: int
    version: str


@dataclass(frozen=True)
class Estimate:
    """A price that holds until it expires, with the durations of recent jobs."""

    credits: int
    price_version: str
    quote_id: str
    expires_at: datetime
    seconds_p50: float | None
    seconds_p90: float | None

    @property
    def duration_p50_ms(self) -> int | None:
        """Return the duration that half of the recent jobs did not exceed."""
        return None if self.seconds_p50 is None else round(self.seconds_p50 * 1000)

    @property
    def duration_p90_ms(self) -> int | None:
        """Return the duration that 90 % of the recent jobs did not exceed."""
        return None if self.seconds_p90 is None else round(self.seconds_p90 * 1000)


def estimate(*, feature: Feature, user_id: UUID, parameters: Mapping[str, Any]) -> Estimate:
    """Price validated parameters without charging anything; writes no row."""
    price = _compute_price(feature, parameters)
    expires_at = timezone.now().replace(microsecond=0) + LIFETIME
    terms = _hash_terms(feature, user_id, parameters)
    durations = compute_duration_statistics(feature.name)
    return Estimate(
        credits=price.credits,
        price_version=price.version,
        quote_id=_SIGNER.sign_object(
            [terms, price.credits, price.version, int(expires_at.timestamp())]
        ),
        expires_at=expires_at,
        seconds_p50=durations.p50,
        seconds_p90=durations.p90,
    )


def get_price(
    *, feature: Feature, user_id: UUID, parameters: Mapping[str, Any], quote_id: str | None
) -> Price:
    """Return the lower of the quote and today's price; raise ``InvalidQuoteProblem``."""
    current_price = _compute_price(feature, parameters)
    if quote_id is None:
        return current_price
    try:
        terms, quoted_credits, version, expires_at = _SIGNER.unsign_object(quote_id)
    except (signing.BadSignature, ValueError) as exc:
        raise InvalidQuoteProblem from exc
    is_expired = datetime.fromtimestamp(expires_at, UTC) <= timezone.now()
    if is_expired or terms != _hash_terms(feature, user_id, parameters):
        raise InvalidQuoteProblem
    return min(current_price, Price(quoted_credits, version), key=lambda price: price.credits)


def _compute_price(feature: Feature, parameters: Mapping[str, Any]) -> Price:
    return Price(feature.price(parameters), feature.price_version)


def _hash_terms(feature: Feature, user_id: UUID, parameters: Mapping[str, Any]) -> str:
    price_parameters = {name: value for name, value in parameters.items() if name != "callback_url"}
    terms = json.dumps(
        [str(user_id), feature.name, to_stored_parameters(price_parameters)], sort_keys=True
    )
    return hashlib.sha256(terms.encode()).hexdigest()
