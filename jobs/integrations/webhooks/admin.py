"""Show endpoints and deliveries to staff. No page shows secrets."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest

from auteur.core.admin import (
    BLUE,
    EMPTY,
    GREEN,
    RED,
    ReadOnlyAdmin,
    SelectedFilter,
    badge,
    link,
    list_link,
    two_lines,
)
from jobs.integrations.webhooks.models import DeliveryState, WebhookDelivery, WebhookEndpoint

COLOURS = {
    DeliveryState.WAITING: BLUE,
    DeliveryState.SUCCEEDED: GREEN,
    DeliveryState.FAILED: RED,
}


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(ReadOnlyAdmin):
    """The admin pages of endpoints."""

    list_display = (
        "address",
        "owner",
        "enabled_state",
        "verified_at",
        "failing_since",
        "created_at",
    )
    list_select_related = ("user",)
    list_filter = ("disabled_reason", "created_at", ("user", SelectedFilter))
    search_fields = ("url", "user__email")
    search_help_text = "URL or email, or the id of an endpoint or a user"
    id_search_fields: ClassVar = ("pk", "user_id")
    ordering = ("-created_at",)
    fields = (
        "id",
        "address",
        "owner",
        "description",
        "events",
        "enabled_state",
        "disabled_at",
        "failing_since",
        "previous_secret_expires_at",
        "verified_at",
        "created_at",
        "deliveries_link",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[WebhookEndpoint]:
        """Return the endpoints without their secrets."""
        return super().get_queryset(request).defer("secret", "previous_secret")

    @admin.display(description="URL", ordering="url")
    def address(self, obj: WebhookEndpoint) -> str:
        return str(obj)

    @admin.display(description="user", ordering="user__email")
    def owner(self, obj: WebhookEndpoint) -> str:
        return link("accounts.User", obj.user_id, obj.user)

    @admin.display(description="enabled", ordering="disabled_at")
    def enabled_state(self, obj: WebhookEndpoint) -> str:
        if obj.disabled_at is None:
            return badge("enabled", GREEN)
        return two_lines(badge("disabled", RED), obj.get_disabled_reason_display())

    @admin.display(description="deliveries")
    def deliveries_link(self, obj: WebhookEndpoint) -> str:
        return list_link("jobs.WebhookDelivery", "Deliveries", endpoint_id=obj.pk)


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ReadOnlyAdmin):
    """The admin pages of deliveries. The endpoint of a delivery may have been deleted."""

    list_display = ("short_id", "type", "owner", "coloured_state", "tried", "due_at", "created_at")
    list_filter = ("state", "error_code", "created_at")
    search_help_text = "The id of a delivery, an endpoint or a job"
    search_fields = ("pk",)
    id_search_fields: ClassVar = ("pk", "endpoint_id", "job_id")
    content_fields: ClassVar = ("body", "answer")
    ordering = ("-created_at",)
    fields = (
        "id",
        "type",
        "seq",
        "job",
        "owner",
        "to",
        "url",
        "coloured_state",
        "tried",
        "duration_ms",
        "holder",
        "due_at",
        "tried_at",
        "created_at",
        "body",
        "request_headers",
        "answer",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[WebhookDelivery]:
        """Return the deliveries with the ids and emails of their owners."""
        endpoint = WebhookEndpoint.objects.filter(pk=OuterRef("endpoint_id"))
        return (
            super()
            .get_queryset(request)
            .annotate(
                owner_id=Subquery(endpoint.values("user_id")),
                owner_email=Subquery(endpoint.values("user__email")),
            )
        )

    @admin.display(description="delivery", ordering="id")
    def short_id(self, obj: WebhookDelivery) -> str:
        return str(obj.pk)[-8:]

    @admin.display(description="user")
    def owner(self, obj: Any) -> str:
        return link("accounts.User", obj.owner_id, obj.owner_email)

    @admin.display(description="endpoint")
    def to(self, obj: WebhookDelivery) -> str:
        return link("jobs.WebhookEndpoint", obj.endpoint_id)

    @admin.display(description="job")
    def job(self, obj: WebhookDelivery) -> str:
        return link("jobs.Job", obj.job_id)

    @admin.display(description="state", ordering="state")
    def coloured_state(self, obj: WebhookDelivery) -> str:
        state = DeliveryState(obj.state)
        return two_lines(badge(state.label, COLOURS[state]), obj.error_code)

    @admin.display(description="tries", ordering="tries")
    def tried(self, obj: WebhookDelivery) -> str:
        """Return how often the delivery was tried, and the last HTTP status."""
        return two_lines(obj.tries, f"HTTP {obj.status}" if obj.status else EMPTY)
