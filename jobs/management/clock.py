"""The check of the clock that processes which judge leases make before they start."""

import logging

from django.core.management.base import CommandError

from auteur.api.problems import DATABASE_OUTAGES
from auteur.database.clock import ClockSkewError, check_skew, measure_skew

logger = logging.getLogger(__name__)


def check_clock() -> None:
    """Raise ``CommandError`` where this machine's clock is too far from PostgreSQL's.

    While the database is away nothing is known, and nothing will be judged.
    """
    try:
        check_skew(measure_skew())
    except ClockSkewError as exc:
        raise CommandError(str(exc)) from exc
    except DATABASE_OUTAGES as exc:
        logger.warning("the clock is not checked: %s", type(exc).__name__)
