"""The admin page of API keys, with an action to revoke them; it never shows a secret."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from accounts.api_keys import keys
from accounts.api_keys.models import ApiKey
from auteur.core.admin import (
    BROWN,
    GREEN,
    RED,
    ConfirmedActions,
    ReadOnlyAdmin,
    ReasonForm,
    SelectedFilter,
    badge,
    link,
    two_lines,
)
from credits import spending


@admin.register(ApiKey)
class ApiKeyAdmin(ConfirmedActions, ReadOnlyAdmin):
    """The page of API keys."""

    list_display = ("named", "owner", "may", "state", "last_used_at", "created_at")
    list_select_related = ("user",)
    list_filter = ("created_at", "revoked_at", ("user", SelectedFilter))
    search_fields = ("prefix__startswith", "name", "user__email")
    search_help_text = "The prefix or name of a key, an email, or the id of a key or a user"
    id_search_fields: ClassVar = ("pk", "user_id")
    ordering = ("-created_at",)
    actions = ("revoke",)
    fields = (
        "id",
        "name",
        "prefix",
        "owner",
        "may",
        "allowed_addresses",
        "state",
        "expires_at",
        "revoked_at",
        "last_used_at",
        "created_at",
        "spent",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiKey]:
        """Return the keys without their digests."""
        return super().get_queryset(request).defer("digest")

    @admin.display(description="key", ordering="name")
    def named(self, obj: ApiKey) -> str:
        return two_lines(obj.name, obj.prefix)

    @admin.display(description="user", ordering="user__email")
    def owner(self, obj: ApiKey) -> str:
        return link("accounts.User", obj.user_id, obj.user)

    @admin.display(description="scopes")
    def may(self, obj: ApiKey) -> str:
        return ", ".join(obj.scopes)

    @admin.display(description="state", ordering="revoked_at")
    def state(self, obj: ApiKey) -> str:
        if obj.revoked_at is not None:
            return badge("revoked", RED)
        if obj.expires_at is not None and obj.expires_at <= timezone.now():
            return badge("expired", BROWN)
        return badge("good", GREEN)

    @admin.display(description="credits")
    def spent(self, obj: ApiKey) -> str:
        """Return what the key has spent, and its caps."""
        row = spending.list_spending([obj.pk])[obj.pk]
        today = row.count_spent_on(timezone.now())
        per_day, in_all = (
            "no cap" if cap is None else f"cap {cap}"
            for cap in (row.credits_per_day, row.credits_in_all)
        )
        return f"{today} today ({per_day}), {row.spent} in all ({in_all})"

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("accounts.change_apikey")

    def is_applicable(self, action: str, obj: ApiKey) -> bool:
        return obj.revoked_at is None

    def summary(self, obj: ApiKey) -> str:
        return f"of {obj.user}"

    @admin.action(description="Revoke", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> HttpResponse | None:
        return self.confirm(
            request, queryset, action="revoke", form_class=ReasonForm, perform=_revoke_key
        )


def _revoke_key(request: HttpRequest, key: ApiKey, values: Mapping[str, Any]) -> str:
    keys.revoke_key(user_id=key.user_id, key_id=key.pk)
    return "Revoked."
