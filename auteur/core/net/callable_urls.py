"""Decide by the settings which URLs users may have us call."""

from typing import Any

from django.conf import settings
from rest_framework import serializers
from yarl import URL

from auteur.core.net.outbound import (
    MAX_URL_LENGTH,
    AddressPolicy,
    RefusedURLError,
    list_own_hosts,
    validate_url,
)


def build_policy() -> AddressPolicy:
    """Return the address policy of webhooks."""
    return AddressPolicy(
        schemes=("https", "http") if settings.WEBHOOK_HTTP else ("https",),
        ports=settings.WEBHOOK_PORTS,
        hosts_refused=list_own_hosts(),
        networks_refused=settings.WEBHOOK_REFUSED_NETWORKS,
        networks_allowed=settings.WEBHOOK_ALLOWED_NETWORKS,
    )


def get_origin(url: str) -> str:
    """Return the scheme, host and port of a URL."""
    return str(URL(url).origin())


class CallableURLField(serializers.CharField):
    """The field of a URL that we may call. It is stored in the form in which it is called."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=MAX_URL_LENGTH, **options)

    def to_internal_value(self, data: Any) -> str:
        """Return the URL with its host name in ASCII. Raise 400 if we do not call it."""
        text = super().to_internal_value(data)
        try:
            return validate_url(text, build_policy())
        except RefusedURLError as exc:
            raise serializers.ValidationError(str(exc), code=exc.code) from exc
