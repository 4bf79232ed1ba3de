"""Reports of faults to Sentry if ``SENTRY_DSN`` is set, scrubbed and with the ids of the work."""

from typing import Any, cast

import sentry_sdk
from sentry_sdk.integrations.argv import ArgvIntegration
from sentry_sdk.integrations.logging import ignore_logger
from sentry_sdk.types import Event, Hint

from auteur.core import ids
from auteur.core.logs import scrub


def start_reporting(*, dsn: str, environment: str, **options: Any) -> None:
    """Report logged errors and unhandled exceptions. ``options`` are those of sentry-sdk.

    No body, header, cookie, query, variable of a frame, command line or breadcrumb is sent. Texts
    are scrubbed as in the log.
    """
    ignore_logger("django.security.DisallowedHost")  # Scanners cause these.
    sentry_sdk.init(
        dsn=dsn,
        environment=environment,
        send_default_pii=False,
        max_request_body_size="never",
        include_local_variables=False,
        max_breadcrumbs=0,
        disabled_integrations=[ArgvIntegration()],
        before_send=_prepare_event,
        **options,
    )


def _prepare_event(event: Event, hint: Hint) -> Event:
    request = event.pop("request", None) or {}
    for name in ("user", "breadcrumbs", "extra"):
        event.pop(name, None)  # type: ignore[misc]
    scrubbed_event = cast("Event", _scrub_value(event))
    scrubbed_event["request"] = {
        name: scrub(str(request[name])) for name in ("method", "url") if name in request
    }
    scrubbed_event["tags"] = {**(scrubbed_event.get("tags") or {}), **ids.current()}
    return scrubbed_event


def _scrub_value(value: Any) -> Any:
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, dict):
        return {name: _scrub_value(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_scrub_value(inner) for inner in value]
    return value
