"""Check the clock before a process that expires leases starts."""

import logging

from django.core.management.base import CommandError

from auteur.core.api.problems import DATABASE_OUTAGES
from auteur.core.database.clock import ClockSkewError, check_skew, measure_skew

logger = logging.getLogger(__name__)


def check_clock() -> None:
    """Raise ``CommandError`` if this machine's clock is too far from PostgreSQL's.

    While the database does not answer, the clock is not checked, and no lease can expire.
    """
    try:
        check_skew(measure_skew())
    except ClockSkewError as exc:
        raise CommandError(str(exc)) from exc
    except DATABASE_OUTAGES as exc:
        logger.warning("the clock is not checked: %s", type(exc).__name__)
