"""Media files and voice samples: staff read them, may mend a name, and may look inside."""

from typing import Any, ClassVar

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.defaultfilters import filesizeformat
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html

from auteur.admin import (
    EMPTY,
    GREEN,
    GREY,
    RED,
    SelectedFilter,
    StaffAdmin,
    badge,
    link,
    pretty_json,
    two_lines,
)
from media.models import MediaFile, MediaStatus, VoiceClone
from media.storage import object_storage

OPEN_SECONDS = 5 * 60
"""How long the signed URL lives that staff are sent to."""
COLOURS = {
    MediaStatus.UPLOADING: GREY,
    MediaStatus.READY: GREEN,
    MediaStatus.REJECTED: RED,
}


class StoredObjectAdmin(StaffAdmin):
    """Rows with an object in storage, opened through a URL that is signed when it is asked for."""

    key_field: ClassVar[str]

    def get_urls(self) -> list[URLPattern]:
        """Adds the page that leads to the object."""
        view = self.admin_site.admin_view(self.open_view)
        return [path("<uuid:pk>/open/", view, name=self._open_name()), *super().get_urls()]

    def open_view(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """Send staff to the object, and record that they looked."""
        obj = self.get_object(request, str(pk))
        if not self.has_view_or_change_permission(request, obj):
            raise PermissionDenied
        if obj is None:
            raise Http404
        self.log_change(request, obj, "Opened the file.")
        url = object_storage().presigned_get(getattr(obj, self.key_field), expires=OPEN_SECONDS)
        return HttpResponseRedirect(url)

    def _open_name(self) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_open"

    @admin.display(description="file")
    def open_link(self, obj: Any) -> str:
        """A link to the object."""
        url = reverse(f"admin:{self._open_name()}", args=(obj.pk,))
        return format_html('<a href="{}" target="_blank" rel="noopener">Open</a>', url)

    @admin.display(description="user", ordering="user__email")
    def owner(self, obj: Any) -> str:
        """A link to whose it is."""
        return link("accounts.User", obj.user_id, obj.user)


@admin.register(MediaFile)
class MediaFileAdmin(StoredObjectAdmin):
    """A media file; only its name can be changed."""

    key_field = "r2_key"
    list_display = (
        "name", "kind", "state", "extent", "owner", "project_link", "created_at", "open_link",
    )  # fmt: skip
    list_select_related = ("user", "project")
    list_filter = (
        "type", "status", "created_at", ("user", SelectedFilter), ("project", SelectedFilter),
    )  # fmt: skip
    search_fields = ("name", "user__email")
    search_help_text = "Name or email, or the id of a file, a project or a user"
    id_search_fields: ClassVar = ("pk", "user_id", "project_id")
    ordering = ("-created_at",)
    fields = (
        "name", "id", "owner", "project_link", "type", "state", "mime_type", "size", "duration",
        "r2_key", "created_at", "details", "open_link",
    )  # fmt: skip
    readonly_fields = fields[1:]

    @admin.display(description="status", ordering="status")
    def state(self, obj: MediaFile) -> str:
        """The status in its colour."""
        return badge(obj.get_status_display(), COLOURS[MediaStatus(obj.status)])

    @admin.display(description="type", ordering="type")
    def kind(self, obj: MediaFile) -> str:
        """Type and MIME type."""
        return two_lines(obj.get_type_display(), obj.mime_type)

    @admin.display(description="size", ordering="file_size_bytes")
    def extent(self, obj: MediaFile) -> str:
        """Size and duration."""
        return two_lines(self.size(obj), self.duration(obj))

    @admin.display(description="size")
    def size(self, obj: MediaFile) -> str:
        """The size, as told or found."""
        return EMPTY if obj.file_size_bytes is None else filesizeformat(obj.file_size_bytes)

    def duration(self, obj: MediaFile) -> str:
        """The duration in seconds."""
        return _seconds(obj.duration_ms)

    @admin.display(description="project", ordering="project__name")
    def project_link(self, obj: MediaFile) -> str:
        """A link to the project it is in."""
        return link("projects.Project", obj.project_id, obj.project)

    @admin.display(description="file")
    def open_link(self, obj: MediaFile) -> str:
        """A link to the object, if there is one."""
        return super().open_link(obj) if obj.status == MediaStatus.READY else EMPTY

    @admin.display(description="metadata")
    def details(self, obj: MediaFile) -> str:
        """What the probe found."""
        return pretty_json(obj.metadata)


@admin.register(VoiceClone)
class VoiceCloneAdmin(StoredObjectAdmin):
    """A voice sample; only its name can be changed."""

    key_field = "sample_r2_key"
    list_display = ("name", "duration", "owner", "created_at", "open_link")
    list_select_related = ("user",)
    list_filter = ("created_at", ("user", SelectedFilter))
    search_fields = ("name", "user__email")
    search_help_text = "Name or email, or the id of a voice or a user"
    id_search_fields: ClassVar = ("pk", "user_id")
    ordering = ("-created_at",)
    fields = ("name", "id", "owner", "duration", "sample_r2_key", "created_at", "open_link")
    readonly_fields = fields[1:]

    @admin.display(description="duration", ordering="sample_duration_ms")
    def duration(self, obj: VoiceClone) -> str:
        """The duration in seconds."""
        return _seconds(obj.sample_duration_ms)


def _seconds(milliseconds: int | None) -> str:
    return EMPTY if milliseconds is None else f"{milliseconds / 1000:.1f} s"
