"""Every column that may hold text of a person, read from the models; and those that hold none."""

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.contrib.postgres.fields import ArrayField
from django.db import connection
from django.db.models import BinaryField, CharField, Field, JSONField, Model, TextField

IMPERSONAL_TABLES = {
    "archive_walks",
    "auth_group",
    "auth_group_permissions",
    "auth_permission",
    "django_content_type",
    "django_migrations",
    "event_cursors",
    "circuits",
    "event_epochs",
    "gpu_pools",
    "kept_figures",
    "retention_walks",
    "storage_walks",
    "users_groups",
    "users_user_permissions",
    "worker_heartbeats",
}
"""These say nothing of anybody."""
IMPERSONAL_COLUMNS = {
    "account_closings": {"holder"},
    "account_exports": {"holder"},
    "api_keys": {"digest", "prefix"},
    "api_usage": {"method", "route", "status_class"},
    "credit_transactions": {"parts"},
    "credits": {"latest_parts", "wanted_parts"},
    "event_heads": {"hash"},
    "fair_queue_cursors": {"gpu_class"},
    "job_attempts": {
        "backend",
        "call_id",
        "engine",
        "error_code",
        "gpu_class",
        "stage",
        "worker",
    },
    "job_events": {"type"},
    "jobs": {"gpu_class", "modal_task_id", "plan", "price_version", "type"},
}
"""What is written there is ours, and the same for everybody."""
BOOKS = {
    "billing_customers": {"flag_reason", "stripe_id"},
    "billing_events": {"customer_id", "detail", "holder", "object_id", "stripe_id", "type"},
    "billing_payments": {"currency", "stripe_id"},
    "credit_corrections": {"description", "reason"},
    "credit_grants": {"description", "source"},
    "credit_transactions": {"description"},
    "staff_events": {"address", "path"},
    "top_ups": {"currency", "error_code", "pack", "stripe_id"},
}
"""The ledger is kept, with what we and staff wrote of its rows; what was paid, by Stripe's ids; and
the record of staff."""


def all_tables() -> set[str]:
    """Of the schema, whatever models know."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p')"
            " AND relnamespace = current_schema()::regnamespace"
        )
        return {name for (name,) in cursor.fetchall()}


def models() -> Iterator[type[Model]]:
    """Those of tables that may hold something of a person."""
    for model in apps.get_models(include_auto_created=True):
        if model._meta.db_table not in IMPERSONAL_TABLES:
            yield model


def personal_columns(model: type[Model]) -> "dict[str, Field[Any, Any]]":
    """Columns with text, JSON or bytes that are not ours: fields by their columns."""
    table = model._meta.db_table
    ours = IMPERSONAL_COLUMNS.get(table, set())
    return {
        str(field.column): field
        for field in model._meta.concrete_fields
        if _holds_text(field) and field.column not in ours
    }


def _holds_text(field: Any) -> bool:
    if isinstance(field, ArrayField):
        return _holds_text(field.base_field)
    return not field.choices and isinstance(field, CharField | TextField | JSONField | BinaryField)
