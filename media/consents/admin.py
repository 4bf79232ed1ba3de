"""Show consents to staff, who may revoke one for a person who asks for that."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import filesizeformat

from auteur.core.admin import (
    BROWN,
    EMPTY,
    GREEN,
    GREY,
    RED,
    ConfirmedActions,
    PartInline,
    ReasonForm,
    SelectedFilter,
    badge,
    get_actor,
    link,
)
from media.consents.models import Consent, ConsentStatus, Removal
from media.consents.revocation import revoke_consent

COLOURS = {
    ConsentStatus.ACTIVE: GREEN,
    ConsentStatus.REVOKED: RED,
    ConsentStatus.REMOVING: BROWN,
    ConsentStatus.REMOVED: GREY,
}


class RemovalInline(PartInline):
    """The objects of a consent's receipt, newest first."""

    model = Removal
    fields = ("kind", "object_id", "key", "size", "removed_at")
    readonly_fields = fields
    ordering = ("-created_at",)
    verbose_name_plural = "removed objects"
    MAX_LISTED = 200
    """Objects shown on the page. The API lists all of them."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Removal]:
        """Return the newest removals of the consent, at most ``MAX_LISTED``."""
        match = request.resolver_match
        consent_id: Any = match.kwargs.get("object_id") if match else None
        newest = Removal.objects.filter(consent_id=consent_id).order_by("-created_at")
        return Removal.objects.filter(pk__in=newest.values("pk")[: self.MAX_LISTED])

    def size(self, obj: Removal) -> str:
        return EMPTY if obj.size_bytes is None else filesizeformat(obj.size_bytes)


@admin.register(Consent)
class ConsentAdmin(ConfirmedActions):
    """The admin of consents, with the receipt of each."""

    actions = ("revoke",)
    inlines = (RemovalInline,)
    list_display = ("subject", "kind", "state", "owner", "given_at", "revoked_at", "finished_at")
    list_select_related = ("user",)
    list_filter = ("kind", "status", "given_at", ("user", SelectedFilter))
    search_fields = ("subject", "user__email")
    search_help_text = "Subject or email, or the id of a consent, a user or a voice"
    id_search_fields: ClassVar = ("pk", "user_id", "voice_id")
    ordering = ("-given_at",)
    fields = (
        "id",
        "kind",
        "subject",
        "owner",
        "state",
        "statement",
        "statement_version",
        "media_ids",
        "voice_id",
        "given_at",
        "revoked_at",
        "revoked_by",
        "finished_at",
        "tries",
    )
    readonly_fields = fields

    @admin.display(description="status", ordering="status")
    def state(self, obj: Consent) -> str:
        # All objects are gone at `finished_at`, although the worker looks once more after it.
        status = ConsentStatus.REMOVED if obj.finished_at else ConsentStatus(obj.status)
        return badge(status.label, COLOURS[status])

    @admin.display(description="user", ordering="user__email")
    def owner(self, obj: Consent) -> str:
        return link("accounts.User", obj.user_id, obj.user)

    def summary(self, obj: Consent) -> str:
        """Return the consent's user and the number of files that it covers."""
        return f"{obj.user}, {len(obj.covered)} files"

    def is_applicable(self, action: str, obj: Consent) -> bool:
        """Return True for a consent that is not revoked yet."""
        return obj.status == ConsentStatus.ACTIVE

    @admin.action(
        description="Revoke the selected consents and remove everything that was made under them",
        permissions=["change"],
    )
    def revoke(self, request: HttpRequest, queryset: QuerySet[Consent]) -> HttpResponse | None:
        """Revoke the consents, with the same consequences as a revocation by the user."""
        return self.confirm(
            request, queryset, action="revoke", form_class=ReasonForm, perform=_revoke_consent
        )


def _revoke_consent(request: HttpRequest, consent: Consent, values: Mapping[str, Any]) -> str:
    revoke_consent(consent=consent, by=get_actor(request))
    return "The consent is revoked. Everything that was made under it is being removed."
