"""Reports of faults to Sentry, if ``SENTRY_DSN`` is set: scrubbed, with the ids of the work."""

from typing import Any, cast

import sentry_sdk
from sentry_sdk.integrations.argv import ArgvIntegration
from sentry_sdk.integrations.logging import ignore_logger
from sentry_sdk.types import Event, Hint

from auteur import ids
from auteur.logs import scrubbed


def start_reporting(*, dsn: str, environment: str, **options: Any) -> None:
    """Report what is logged as an error or raised past us; ``options`` are sentry-sdk's.

    No body, header, cookie, query, variable of a frame, command line or breadcrumb leaves; texts
    are scrubbed as those of the log are.
    """
    ignore_logger("django.security.DisallowedHost")  # scanners' noise
    sentry_sdk.init(
        dsn=dsn,
        environment=environment,
        send_default_pii=False,
        max_request_body_size="never",
        include_local_variables=False,
        max_breadcrumbs=0,
        disabled_integrations=[ArgvIntegration()],
        before_send=_before_send,
        **options,
    )


def _before_send(event: Event, hint: Hint) -> Event:
    request = event.pop("request", None) or {}
    for name in ("user", "breadcrumbs", "extra"):
        event.pop(name, None)  # type: ignore[misc]
    clean = cast("Event", _scrub(event))
    clean["request"] = {
        name: scrubbed(str(request[name])) for name in ("method", "url") if name in request
    }
    clean["tags"] = {**(clean.get("tags") or {}), **ids.current()}
    return clean


def _scrub(value: Any) -> Any:
    if isinstance(value, str):
        return scrubbed(value)
    if isinstance(value, dict):
        return {name: _scrub(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_scrub(inner) for inner in value]
    return value
