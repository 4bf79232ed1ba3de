"""Show media files, imports and voices to staff, who may rename and open them."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.defaultfilters import filesizeformat
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html

from auteur.core.admin import (
    BLUE,
    EMPTY,
    GREEN,
    GREY,
    RED,
    ConfirmedActions,
    ReadOnlyAdmin,
    ReasonForm,
    RecentFilter,
    SelectedFilter,
    StaffAdmin,
    badge,
    link,
    pretty_json,
    two_lines,
)
from auteur.core.api.problems import Problem
from media.consents.admin import ConsentAdmin
from media.derivation import states
from media.models import (
    DerivationStatus,
    ImportStatus,
    MediaFile,
    MediaImport,
    MediaStatus,
    VoiceClone,
)
from media.storage import object_storage

__all__ = ["ConsentAdmin"]  # Django's autodiscovery imports this module only.

OPEN_SECONDS = 5 * 60
"""The life of the signed URL that staff are redirected to."""
COLOURS = {
    MediaStatus.UPLOADING: GREY,
    MediaStatus.CHECKING: BLUE,
    MediaStatus.READY: GREEN,
    MediaStatus.REJECTED: RED,
}

DERIVATION_COLOURS = {
    DerivationStatus.WAITING: GREY,
    DerivationStatus.WORKING: BLUE,
    DerivationStatus.DONE: GREEN,
    DerivationStatus.FAILED: RED,
}

IMPORT_COLOURS = {
    ImportStatus.WAITING: GREY,
    ImportStatus.FETCHING: BLUE,
    ImportStatus.DONE: GREEN,
    ImportStatus.FAILED: RED,
}


class NotReadyProblem(Problem):
    """Raised if derivatives are requested of a file that is not ready."""

    status_code = 409
    default_code = "media_not_ready"
    default_detail = "The media file is not ready: wait until its status is ready."


class StoredObjectAdmin(StaffAdmin):
    """The admin of rows with an object, which staff open through a newly signed URL."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.open_view)
        return [path("<uuid:pk>/open/", view, name=self._get_open_url_name()), *super().get_urls()]

    def open_view(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """Redirect staff to the object, and log that they opened it."""
        obj = self.get_object(request, str(pk))
        if not self.has_view_or_change_permission(request, obj):
            raise PermissionDenied
        if obj is None:
            raise Http404
        self.log_change(request, obj, "Opened the file.")
        url = object_storage().presigned_get(obj.object_key, expires=OPEN_SECONDS)
        return HttpResponseRedirect(url)

    def _get_open_url_name(self) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_open"

    @admin.display(description="file")
    def open_link(self, obj: Any) -> str:
        if obj.status != MediaStatus.READY:
            return EMPTY
        url = reverse(f"admin:{self._get_open_url_name()}", args=(obj.pk,))
        return format_html('<a href="{}" target="_blank" rel="noopener">Open</a>', url)

    @admin.display(description="status", ordering="status")
    def state(self, obj: Any) -> str:
        return badge(obj.get_status_display(), COLOURS[MediaStatus(obj.status)])

    @admin.display(description="user", ordering="user__email")
    def owner(self, obj: Any) -> str:
        return link("accounts.User", obj.user_id, obj.user)


@admin.register(MediaFile)
class MediaFileAdmin(ConfirmedActions, StoredObjectAdmin):
    """The admin of media files: staff may rename them and make their derivatives again."""

    actions = ("derive_again",)
    list_display = (
        "name",
        "kind",
        "state",
        "derivation",
        "extent",
        "owner",
        "project_link",
        "created_at",
        "open_link",
    )
    list_select_related = ("user", "project")
    list_filter = (
        "type",
        "status",
        "derivation_status",
        ("created_at", RecentFilter),
        ("user", SelectedFilter),
        ("project", SelectedFilter),
    )
    has_time_index = True
    search_fields = ("name", "user__email")
    search_help_text = "Name or email, or the id of a file, a project or a user"
    id_search_fields: ClassVar = ("pk", "user_id", "project_id")
    ordering = ("-created_at",)
    fields = (
        "name",
        "id",
        "owner",
        "project_link",
        "type",
        "state",
        "mime_type",
        "size",
        "duration",
        "r2_key",
        "created_at",
        "details",
        "open_link",
        "derivation",
        "derivation_tries",
        "derive_at",
        "thumbnail_r2_key",
        "sprite_r2_key",
        "peaks_r2_key",
    )
    readonly_fields = fields[1:]

    @admin.display(description="derivatives", ordering="derivation_status")
    def derivation(self, obj: MediaFile) -> str:
        """Show the state of the derivatives, once the file is ready."""
        if obj.status != MediaStatus.READY:
            return EMPTY
        colour = DERIVATION_COLOURS[DerivationStatus(obj.derivation_status)]
        status_badge = badge(obj.get_derivation_status_display(), colour)
        if obj.derivation_status != DerivationStatus.WORKING:
            return status_badge
        return two_lines(status_badge, f"{obj.derivation_progress:.0%}")

    def is_applicable(self, action: str, obj: MediaFile) -> bool:
        """Return True if the file is ready: others have no derivatives."""
        return obj.status == MediaStatus.READY

    @admin.action(
        description="Make pictures and waveform of the selected media again",
        permissions=["change"],
    )
    def derive_again(
        self, request: HttpRequest, queryset: QuerySet[MediaFile]
    ) -> HttpResponse | None:
        """Request the derivatives again, with a new count of tries."""
        return self.confirm(
            request,
            queryset,
            action="derive_again",
            form_class=ReasonForm,
            perform=_request_derivation,
        )

    @admin.display(description="type", ordering="type")
    def kind(self, obj: MediaFile) -> str:
        return two_lines(obj.get_type_display(), obj.mime_type)

    @admin.display(description="size", ordering="file_size_bytes")
    def extent(self, obj: MediaFile) -> str:
        return two_lines(self.size(obj), self.duration(obj))

    @admin.display(description="size")
    def size(self, obj: MediaFile) -> str:
        return EMPTY if obj.file_size_bytes is None else filesizeformat(obj.file_size_bytes)

    def duration(self, obj: MediaFile) -> str:
        return _format_seconds(obj.duration_ms)

    @admin.display(description="project", ordering="project__name")
    def project_link(self, obj: MediaFile) -> str:
        return link("projects.Project", obj.project_id, obj.project)

    @admin.display(description="metadata")
    def details(self, obj: MediaFile) -> str:
        return pretty_json(obj.metadata)


@admin.register(MediaImport)
class MediaImportAdmin(ReadOnlyAdmin):
    """The admin of imports. No page shows the URL itself."""

    list_display = ("source", "state", "extent", "owner", "tries", "error_code", "created_at")
    list_select_related = ("user", "media")
    list_filter = ("status", "error_code", "created_at", ("user", SelectedFilter))
    search_fields = ("source", "user__email")
    search_help_text = "URL or email, or the id of a file or a user"
    id_search_fields: ClassVar = ("pk", "user_id")
    ordering = ("-created_at",)
    fields = (
        "source",
        "media_link",
        "owner",
        "state",
        "extent",
        "tries",
        "due_at",
        "error_code",
        "error_detail",
        "created_at",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[MediaImport]:
        """Return the imports without their encrypted URLs."""
        return super().get_queryset(request).defer("url")

    @admin.display(description="status", ordering="status")
    def state(self, obj: MediaImport) -> str:
        return badge(obj.get_status_display(), IMPORT_COLOURS[ImportStatus(obj.status)])

    @admin.display(description="received", ordering="received_bytes")
    def extent(self, obj: MediaImport) -> str:
        """Show how much was received, and the size of the file."""
        size = obj.media.file_size_bytes
        total = EMPTY if size is None else f"of {filesizeformat(size)}"
        return two_lines(filesizeformat(obj.received_bytes), total)

    @admin.display(description="user", ordering="user__email")
    def owner(self, obj: MediaImport) -> str:
        return link("accounts.User", obj.user_id, obj.user)

    @admin.display(description="media file")
    def media_link(self, obj: MediaImport) -> str:
        return link("media.MediaFile", obj.pk, obj.media)


@admin.register(VoiceClone)
class VoiceCloneAdmin(StoredObjectAdmin):
    """The admin of voices: staff may rename them."""

    list_display = ("name", "state", "duration", "owner", "consented_at", "created_at", "open_link")
    list_select_related = ("user",)
    list_filter = ("status", "created_at", ("user", SelectedFilter))
    search_fields = ("name", "user__email")
    search_help_text = "Name or email, or the id of a voice or a user"
    id_search_fields: ClassVar = ("pk", "user_id")
    ordering = ("-created_at",)
    fields = (
        "name",
        "id",
        "owner",
        "state",
        "rejection",
        "filename",
        "mime_type",
        "file_size_bytes",
        "duration",
        "speech",
        "sample_r2_key",
        "consented_at",
        "consent_version",
        "consent_statement",
        "created_at",
        "open_link",
    )
    readonly_fields = fields[1:]

    @admin.display(description="duration", ordering="sample_duration_ms")
    def duration(self, obj: VoiceClone) -> str:
        return _format_seconds(obj.sample_duration_ms)

    @admin.display(description="speech")
    def speech(self, obj: VoiceClone) -> str:
        """Show the duration of speech in the sample."""
        return _format_seconds(obj.speech_duration_ms)


def _request_derivation(request: HttpRequest, media: MediaFile, values: Mapping[str, Any]) -> str:
    if not states.request_derivation([media.pk]):
        raise NotReadyProblem
    return "The pictures and the waveform are being made again."


def _format_seconds(milliseconds: int | None) -> str:
    return EMPTY if milliseconds is None else f"{milliseconds / 1000:.1f} s"
