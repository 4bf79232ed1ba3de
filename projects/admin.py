"""Show projects in the admin, where staff may change a name."""

from typing import ClassVar

from django.contrib import admin
from django.forms import ModelForm
from django.http import HttpRequest

from auteur.core.admin import RecentFilter, SelectedFilter, StaffAdmin, link, list_link, two_lines
from projects import authoring
from projects.models import Project


@admin.register(Project)
class ProjectAdmin(StaffAdmin):
    """The admin page of a project, with links to its media and jobs."""

    list_display = ("name", "owner", "frame", "created_at", "updated_at")
    list_select_related = ("user",)
    list_filter = (("created_at", RecentFilter), ("user", SelectedFilter))
    has_time_index = True
    search_fields = ("name", "user__email")
    search_help_text = "Name or email, or the id of a project or a user"
    id_search_fields: ClassVar = ("pk", "user_id")
    ordering = ("-created_at",)
    fields = (
        "name",
        "description",
        "id",
        "owner",
        "resolution",
        "frame_rate",
        "edl_id",
        "edl_version",
        "created_at",
        "updated_at",
        "media_files",
        "jobs",
    )
    readonly_fields = fields[2:]

    @admin.display(description="user", ordering="user__email")
    def owner(self, obj: Project) -> str:
        return link("accounts.User", obj.user_id, obj.user)

    @admin.display(description="frame", ordering="resolution")
    def frame(self, obj: Project) -> str:
        """Return resolution and frame rate."""
        return two_lines(obj.resolution, f"{obj.frame_rate:g} fps")

    def media_files(self, obj: Project) -> str:
        return list_link("media.MediaFile", "Media files", project__id__exact=obj.pk)

    def jobs(self, obj: Project) -> str:
        return list_link("jobs.Job", "Jobs", project__id__exact=obj.pk)

    def save_model(self, request: HttpRequest, obj: Project, form: ModelForm, change: bool) -> None:
        """Update the project through the same function as its owner."""
        fields = {name: form.cleaned_data[name] for name in form.changed_data}
        authoring.update_project(user_id=obj.user_id, project_id=obj.pk, fields=fields)
