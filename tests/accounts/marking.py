"""A user who has left a mark in every column of every table that may hold something of them."""

import uuid
from typing import Any

from django.apps import apps
from django.contrib.postgres.fields import ArrayField
from django.db import connection, models
from django.utils import timezone

from accounts.models import User
from auteur.core.personal_data import list_sources
from tests.accounts.columns import BOOKS, personal_columns

MARK = "mark7q"
VALUES: dict[type[models.Field], Any] = {
    models.BooleanField: lambda: False,
    models.DateTimeField: timezone.now,
    models.DateField: lambda: timezone.now().date(),
    models.IntegerField: lambda: 1,
    models.FloatField: lambda: 0.0,
    models.UUIDField: uuid.uuid4,
    models.JSONField: dict,
    models.BinaryField: lambda: b"x",
    ArrayField: list,
    models.CharField: lambda: "x",
    models.TextField: lambda: "x",
}
BY_HAND = (
    "accounts.AccountClosing",
    "accounts.BillingCustomer",
    "admin.LogEntry",
    "credits.CreditCorrection",
    "sessions.Session",
)
"""Closing makes the first, the test the log and a session; corrections are of the books alone, and
of a customer Stripe would be asked."""
OVER = {"status": "ready", "check_at": None}
ROWS: dict[str, dict[str, Any]] = {
    "accounts.Subscription": {"status": "expired"},
    "accounts.ApiKey": {"scopes": ["read"]},
    "accounts.AccountExport": {
        "status": "ready",
        "due_at": None,
        "expires_at": timezone.now(),
    },
    "jobs.Job": {
        "status": "failed",
        "wake_at": None,
        "completed_at": timezone.now(),
        "error_code": "internal",
        "error_message": "x",
        "credits_cost": 0,
    },
    "jobs.Event": {"type": "requested"},
    "jobs.WebhookDelivery": {"state": "waiting", "due_at": timezone.now()},
    "jobs.PartnerRequest": {"state": "received", "url": b"x"},
    "media.MediaFile": {**OVER, "derivation_status": "done", "derive_at": None},
    "media.MediaImport": {"status": "waiting", "url": b"x", "due_at": timezone.now()},
    "media.Consent": {"voice_id": uuid.uuid4()},
    "media.VoiceClone": {**OVER, "consented_at": timezone.now(), "consent_statement": "x"},
}
"""What the rules of a table ask for; all else is found by the types of the columns."""


class Marked:
    """Rows of each registered table for a user, by label."""

    def __init__(self, user: User) -> None:
        self.rows: dict[str, models.Model] = {"accounts.User": user}
        self.user = user
        for holding in list_sources():
            for label in holding.owners:
                if label not in BY_HAND:
                    self.row(label)
        # What is only set once both are there.
        job, attempt = self.rows["jobs.Job"], self.rows["jobs.Attempt"]
        self._update(job, attempt_id=attempt.pk)
        self._update(self.rows["gpu_tasks.LocalCall"], attempt_id=attempt.pk)
        self._update(self.rows["projects.RenderFolder"], project_id=self.row("projects.Project").pk)
        for row in self.rows.values():
            self._mark(row)
        self._update(user, email=f"{MARK}@example.com")

    def row(self, label: str) -> models.Model:
        """The user's, made if need be."""
        if label not in self.rows:
            model = apps.get_model(label)
            result = (
                model._default_manager.filter(user=self.user).first() if _owned(model) else None
            )
            self.rows[label] = result or self._make(model, ROWS.get(label, {}))
        return self.rows[label]

    def _make(self, model: type[models.Model], given: dict[str, Any]) -> models.Model:
        values = dict(given)
        for field in model._meta.concrete_fields:
            if field.name in values or not _is_needed(field):
                continue
            values[field.attname] = self._value(field)
        return model._default_manager.create(**values)

    def _value(self, field: Any) -> Any:
        if field.attname == "user_id":
            return self.user.pk
        if field.remote_field:
            return self.row(field.remote_field.model._meta.label).pk
        if field.choices:
            return field.choices[0][0]
        return next(make() for kind, make in VALUES.items() if isinstance(field, kind))

    def _mark(self, row: models.Model) -> None:
        books = BOOKS.get(row._meta.db_table, set())
        columns = personal_columns(type(row))
        # As a row that was made before its rules were known; keys and ids stay what they are.
        marks = {
            field.attname: _marked(field)
            for column, field in columns.items()
            if column not in books and not field.primary_key
        }
        if marks:
            self._update(row, **marks)

    def _update(self, row: models.Model, **values: Any) -> None:
        type(row)._default_manager.filter(pk=row.pk).update(**values)


def _owned(model: type[models.Model]) -> bool:
    return any(field.name == "user" for field in model._meta.concrete_fields)


def _is_needed(field: Any) -> bool:
    if field.primary_key and field.remote_field is None and field.has_default():
        return False
    if isinstance(field, models.AutoField):
        return False
    has_value = field.null or field.blank or field.has_default() or field.has_db_default()
    return field.attname == "user_id" or not has_value


def _marked(field: Any) -> Any:
    if isinstance(field, ArrayField):
        return [MARK]
    if isinstance(field, models.JSONField):
        return {MARK: MARK}
    return MARK.encode() if isinstance(field, models.BinaryField) else MARK


def where_it_is_left(table: str) -> int:
    """How many rows of a table hold the mark, in whichever column."""
    with connection.cursor() as cursor:
        cursor.execute(
            f'SELECT count(*) FROM "{table}" AS t WHERE strpos(t::text, %s) > 0'
            " OR strpos(t::text, %s) > 0",
            [MARK, MARK.encode().hex()],
        )
        return int(cursor.fetchone()[0])
