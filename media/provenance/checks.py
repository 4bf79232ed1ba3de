"""Whether results can be signed, for Django's commands: `migrate` above all."""

from datetime import UTC, datetime
from typing import Any

from django.core import checks

from media.provenance.certificates import UnusableCertificateError
from media.provenance.credentials import get_identity


def register() -> None:
    """Have Django's commands check this first."""
    checks.register(certificate)


def certificate(**kwargs: Any) -> list[checks.CheckMessage]:
    """What is wrong with who signs content credentials, or will be."""
    try:
        found = get_identity()
        if found is None:
            return [
                checks.Warning(
                    "Nobody signs content credentials: what is generated is not marked as such.",
                    hint="Set C2PA_CERTIFICATE_PATH and C2PA_PRIVATE_KEY.",
                    id="media.W001",
                )
            ]
        found.check()
    except UnusableCertificateError as exc:
        return [checks.Error(f"Results cannot be signed, and wait: {exc}", id="media.E001")]
    if found.warning_days(datetime.now(UTC)) is not None:
        return [checks.Warning(f"C2PA_CERTIFICATE_PATH ends at {found.ends_at}.", id="media.W002")]
    return []
