"""Let staff manage partners and read their requests. Logins of brokers are never shown."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.widgets import AdminTextareaWidget
from django.db.models import QuerySet
from django.http import HttpRequest

from auteur.core.admin import (
    BLUE,
    EMPTY,
    GREEN,
    RED,
    ConfirmedChanges,
    ReadOnlyAdmin,
    badge,
    link,
    list_link,
    pretty_json,
    two_lines,
)
from auteur.core.encryption import UnreadableSecretError
from jobs.integrations.partners.brokers import get_transport
from jobs.integrations.partners.models import DeadLetter, Partner, PartnerRequest, State
from jobs.integrations.partners.transports.base import TransportError
from jobs.integrations.partners.transports.connections import (
    ConnectionSettingsError,
    parse_connection,
)

CONNECTION_HELP = (
    'Kafka: {"brokers": ["host:9093"], "username": "…", "password": "…", "saslMechanism": '
    '"scram-sha-256", "ca": "-----BEGIN CERTIFICATE-----…"}. Redis: {"url": '
    '"rediss://name:password@host:6380/0"}. Nothing: as it is.'
)


class PartnerForm(forms.ModelForm):
    """The form of a partner, with a connection that is never shown again."""

    new_connection = forms.JSONField(
        required=False, widget=AdminTextareaWidget(attrs={"rows": 6}), help_text=CONNECTION_HELP
    )

    class Meta:
        model = Partner
        fields = (
            "name",
            "user",
            "is_active",
            "transport",
            *Partner.TOPICS,
            "group",
            "language",
            "captions_folder",
            "keeps_sources",
            "max_message_bytes",
            "max_answer_bytes",
            "max_open_requests",
            "url_hosts",
        )

    def clean(self) -> dict[str, Any]:
        """Check that there is a connection and that it fits the transport."""
        cleaned = super().clean() or {}
        new_values, transport = cleaned.get("new_connection"), cleaned.get("transport")
        if transport is None or "new_connection" not in cleaned:
            return cleaned
        try:
            values = new_values if new_values is not None else self._get_stored_settings()
            if not isinstance(values, dict):
                raise ConnectionSettingsError("It must be an object.")
            parse_connection(transport, values)
        except (ConnectionSettingsError, UnreadableSecretError) as exc:
            self.add_error("new_connection", str(exc) or "Enter it again: it cannot be read.")
            return cleaned
        self.instance.connection_settings = values
        return cleaned

    def _get_stored_settings(self) -> dict[str, Any]:
        if self.instance._state.adding:
            raise ConnectionSettingsError("A partner needs a broker.")
        return self.instance.connection_settings


@admin.register(Partner)
class PartnerAdmin(ConfirmedChanges):
    """The admin pages of partners."""

    form = PartnerForm
    list_display = ("name", "owner", "transport", "is_active", "requests_link", "created_at")
    list_select_related = ("user",)
    list_filter = ("is_active", "transport")
    search_fields = ("name", "user__email")
    search_help_text = "Name or email, or the id of a partner or a user"
    id_search_fields: ClassVar = ("pk", "user_id")
    raw_id_fields = ("user",)
    readonly_fields = ("id", "redacted_connection", "requests_link", "created_at", "updated_at")
    ordering = ("name",)
    actions = ("check_connection",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Partner]:
        """Return the partners without connections. A partner's own page reads its connection."""
        return super().get_queryset(request).defer("connection")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return True if staff may create partners, unlike most other objects."""
        return admin.ModelAdmin.has_add_permission(self, request)

    def save_model(self, request: HttpRequest, obj: Partner, form: Any, change: bool) -> None:
        """Save the changed columns, including the connection."""
        if not change:
            obj.save(force_insert=True)
            return
        super().save_model(request, obj, form, change)
        if "new_connection" in form.changed_data:
            obj.save(update_fields=["connection", "updated_at"])

    @admin.display(description="user", ordering="user__email")
    def owner(self, obj: Partner) -> str:
        return link("accounts.User", obj.user_id, obj.user)

    @admin.display(description="connection")
    def redacted_connection(self, obj: Partner) -> str:
        """Return the connection without its secrets."""
        if obj._state.adding:
            return EMPTY
        try:
            connection = parse_connection(obj.transport, obj.connection_settings)
        except (ConnectionSettingsError, UnreadableSecretError):
            return "It cannot be read: enter it again."
        return pretty_json(connection.model_dump(mode="json"))

    @admin.display(description="requests")
    def requests_link(self, obj: Partner) -> str:
        return list_link("jobs.PartnerRequest", "Requests", partner__id__exact=obj.pk)

    @admin.action(description="Check connection", permissions=["change"])
    def check_connection(self, request: HttpRequest, queryset: QuerySet[Partner]) -> None:
        for partner in queryset:
            problem = _find_problem(partner)
            if problem is None:
                self.message_user(request, f"{partner}: its broker answers.", messages.SUCCESS)
            else:
                self.message_user(request, f"{partner}: {problem}", messages.ERROR)


def _find_problem(partner: Partner) -> str | None:
    try:
        transport = get_transport(partner)
        try:
            transport.check()
        finally:
            transport.close()
    except (TransportError, ConnectionSettingsError, UnreadableSecretError) as exc:
        return str(exc) or "Its connection cannot be read: enter it again."
    return None


@admin.register(PartnerRequest)
class PartnerRequestAdmin(ReadOnlyAdmin):
    """The admin pages of partners' requests."""

    list_display = (
        "video_id",
        "partner",
        "kind",
        "coloured_state",
        "tries",
        "due_at",
        "created_at",
    )
    list_select_related = ("partner",)
    list_filter = ("state", "kind", "partner", "error_code", "created_at")
    search_fields = ("video_id", "coordinates", "source")
    search_help_text = "Video id, coordinates or address, or the id of a request, a job or media"
    id_search_fields: ClassVar = ("pk", "job_id", "media_id", "result_id")
    ordering = ("-created_at",)
    fields = (
        "id",
        "partner",
        "kind",
        "video_id",
        "source",
        "target",
        "coordinates",
        "coloured_state",
        "trouble",
        "holder",
        "due_at",
        "tries",
        "job",
        "fetched_file",
        "result",
        "answer_mark",
        "answer_tried_at",
        "error_code",
        "error_message",
        "is_retryable",
        "balance",
        "required",
        "created_at",
        "answered_at",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[PartnerRequest]:
        """Return the requests without addresses and tokens."""
        return super().get_queryset(request).defer("url", "url_hash", "token", "token_hash")

    @admin.display(description="state", ordering="state")
    def coloured_state(self, obj: PartnerRequest) -> str:
        state = State(obj.state)
        colour = RED if obj.error_code else GREEN if state is State.ANSWERED else BLUE
        return two_lines(badge(state.label, colour), obj.error_code or obj.trouble)

    @admin.display(description="job")
    def job(self, obj: PartnerRequest) -> str:
        return link("jobs.Job", obj.job_id)

    @admin.display(description="fetched file")
    def fetched_file(self, obj: PartnerRequest) -> str:
        return link("media.MediaFile", obj.media_id)

    @admin.display(description="result")
    def result(self, obj: PartnerRequest) -> str:
        return link("media.MediaFile", obj.result_id)


@admin.register(DeadLetter)
class DeadLetterAdmin(ReadOnlyAdmin):
    """The admin pages of dead letters."""

    list_display = ("partner", "topic", "reason", "size_bytes", "coordinates", "created_at")
    list_select_related = ("partner",)
    list_filter = ("partner", "created_at")
    search_fields = ("coordinates", "reason")
    search_help_text = "Coordinates or reason"
    ordering = ("-created_at",)
