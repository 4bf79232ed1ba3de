"""Read-only admin pages of roles and of the record of staff events."""

from typing import ClassVar

from django.contrib import admin
from django.contrib.auth.models import Group

from accounts.staff.events import FAILURES
from accounts.staff.models import EventKind, StaffEvent
from auteur.core.admin import GREEN, RED, ReadOnlyAdmin, SelectedFilter, badge, link

admin.site.unregister(Group)


@admin.register(Group)
class RoleAdmin(ReadOnlyAdmin):
    """The page of roles; `manage.py staff_roles` writes their permissions from the code."""

    fields = ("name", "permissions")
    ordering = ("name",)
    search_fields = ("name",)
    id_search_fields: ClassVar = ()


@admin.register(StaffEvent)
class StaffEventAdmin(ReadOnlyAdmin):
    """The page of sign-ins, second factors and refusals."""

    list_display = ("created_at", "owner", "coloured_kind", "address", "path")
    list_select_related = ("user",)
    list_filter = ("kind", "created_at", ("user", SelectedFilter))
    search_fields = ("user__email", "address")
    search_help_text = "Email or address, or the id of a user"
    id_search_fields: ClassVar = ("user_id",)
    ordering = ("-created_at", "-id")
    fields = ("created_at", "owner", "coloured_kind", "address", "path")

    @admin.display(description="user", ordering="user__email")
    def owner(self, obj: StaffEvent) -> str:
        return link("accounts.User", obj.user_id, obj.user)

    @admin.display(description="event", ordering="kind")
    def coloured_kind(self, obj: StaffEvent) -> str:
        kind = EventKind(obj.kind)
        return badge(kind.label, RED if kind in FAILURES else GREEN)
