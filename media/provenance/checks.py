"""Check in Django's commands, `migrate` above all, that results can be signed."""

from datetime import UTC, datetime
from typing import Any

from django.core import checks

from media.provenance.certificates import UnusableCertificateError
from media.provenance.credentials import get_identity


def register_checks() -> None:
    """Register the check with Django."""
    checks.register(check_certificate)


def check_certificate(**kwargs: Any) -> list[checks.CheckMessage]:
    """Return messages about a missing, unusable or expiring certificate."""
    try:
        identity = get_identity()
        if identity is None:
            return [
                checks.Warning(
                    "No certificate is set, so generated media is not marked with content "
                    "credentials.",
                    hint="Set C2PA_CERTIFICATE_PATH and C2PA_PRIVATE_KEY.",
                    id="media.W001",
                )
            ]
        identity.check()
    except UnusableCertificateError as exc:
        return [
            checks.Error(
                f"Results cannot be signed, so jobs that make media wait: {exc}", id="media.E001"
            )
        ]
    if identity.warning_days(datetime.now(UTC)) is not None:
        return [
            checks.Warning(f"C2PA_CERTIFICATE_PATH ends at {identity.ends_at}.", id="media.W002")
        ]
    return []
