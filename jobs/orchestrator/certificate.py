"""Warn before the certificate of content credentials ends, once a day for all orchestrators."""

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

from jobs import cached_figures
from media.provenance.certificates import UnusableCertificateError
from media.provenance.credentials import get_identity

logger = logging.getLogger(__name__)

NAME = "certificate"
CHECK_EVERY = timedelta(hours=1)
LOOK_SECONDS = 60.0
"""Pause before the next look whether a check is due."""


def warn_about_certificate() -> int:
    """Log, once per threshold and day, that the certificate ends soon or cannot sign. Return 0."""
    cached_figures.refresh_figures(NAME, _log_warning, every=CHECK_EVERY)
    return 0


def _log_warning(previous: Any) -> dict[str, Any] | None:
    """Log a warning that differs from the previous one; return what identifies it."""
    now = datetime.now(UTC)
    warning: dict[str, Any] = {"day": now.date().isoformat()}
    try:
        signer = get_identity()
        if signer is None:
            return None
        signer.check(now)
    except UnusableCertificateError as exc:
        warning["days"] = 0
        if warning != previous:
            logger.error(  # noqa: TRY400 - the text says all
                "no result can be signed, features that make media are stopped: %s", exc
            )
        return warning
    warning["days"] = signer.warning_days(now)
    if warning["days"] is None:
        return None
    if warning != previous:
        logger.warning(
            "the certificate of content credentials ends at %s, in less than %d days; "
            "then features that make media stop",
            *(signer.ends_at, warning["days"]),
        )
    return warning
