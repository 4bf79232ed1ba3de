"""Show circuits in the admin: what is impaired, since when, and which attempt is the probe."""

from django.contrib import admin

from auteur.core.admin import ReadOnlyAdmin
from jobs.models import Circuit


@admin.register(Circuit)
class CircuitAdmin(ReadOnlyAdmin):
    """Features and backends that have lost most of their work at least once."""

    list_display = (
        "name",
        "opened_at",
        "error_code",
        "next_probe_at",
        "probe_id",
        "closed_at",
    )
    ordering = ("name",)
