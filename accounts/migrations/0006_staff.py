"""Second factors of staff, the record of what they did, and logs that only grow (decision 42)."""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

APPEND_ONLY = """
CREATE FUNCTION staff_logs_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON staff_events
    FOR EACH ROW EXECUTE FUNCTION staff_logs_append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON django_admin_log
    FOR EACH ROW WHEN (current_setting('auteur.scrubbing', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION staff_logs_append_only();
"""
APPEND_ONLY_UNDO = """
DROP TRIGGER append_only ON django_admin_log;
DROP TRIGGER append_only ON staff_events;
DROP FUNCTION staff_logs_append_only();
"""

# Texts about people who have left: who did what to which object, and when, stays. It runs with the
# rights of the tables' owner, since the application may not change the log; its body is bound to
# the table here, whatever the caller's search path.
SCRUB = """
CREATE FUNCTION scrub_admin_log(entries integer[]) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT set_config('auteur.scrubbing', 'on', true);
    UPDATE django_admin_log SET object_repr = '', change_message = '' WHERE id = ANY (entries);
    SELECT set_config('auteur.scrubbing', 'off', true);
END;
REVOKE ALL ON FUNCTION scrub_admin_log(integer[]) FROM PUBLIC;
"""
SCRUB_UNDO = "DROP FUNCTION scrub_admin_log(integer[])"


def closed(table):
    return migrations.RunSQL(
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY",
    )


def created_at():
    return models.DateTimeField(
        db_default=django.db.models.functions.datetime.Now(), editable=False
    )


def device(*fields):
    """Return the columns of django-otp's abstract `Device`, and our own."""
    return [
        (
            "id",
            models.BigAutoField(
                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
            ),
        ),
        (
            "name",
            models.CharField(help_text="The human-readable name of this device.", max_length=64),
        ),
        ("confirmed", models.BooleanField(default=True, help_text="Is this device ready for use?")),
        *fields,
        ("created_at", created_at()),
        (
            "user",
            models.ForeignKey(
                help_text="The user that this device belongs to.",
                on_delete=django.db.models.deletion.CASCADE,
                to=settings.AUTH_USER_MODEL,
            ),
        ),
    ]


KINDS = [
    ("signed_in", "Signed in with a password"),
    ("sign_in_failed", "Sign-in refused"),
    ("signed_out", "Signed out"),
    ("second_factor_enrolled", "Second factor enrolled"),
    ("second_factor_verified", "Second factor given"),
    ("second_factor_failed", "Second factor refused"),
    ("second_factor_reset", "Second factor removed"),
    ("identity_confirmed", "Identity confirmed again"),
    ("identity_failed", "Identity not confirmed"),
    ("refused", "Page or action refused"),
]


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0005_closing"),
        ("admin", "0003_logentry_add_action_flag_choices"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="user",
            options={
                "ordering": ["-created_at"],
                "permissions": [("view_content", "Can see what clients typed and made")],
            },
        ),
        migrations.CreateModel(
            name="Authenticator",
            fields=device(
                (
                    "secret",
                    models.BinaryField(help_text="The encrypted secret that the app shares."),
                ),
                (
                    "last_step",
                    models.BigIntegerField(
                        db_default=-1,
                        default=-1,
                        help_text="The step of the last used code. It and older codes are used up.",
                    ),
                ),
            ),
            options={
                "db_table": "staff_authenticators",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("user", "confirmed"), name="staff_authenticators_one_of_each"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="RecoveryCodes",
            fields=device(
                (
                    "hashes",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=64), default=list, size=None
                    ),
                ),
            ),
            options={
                "db_table": "staff_recovery_codes",
                "constraints": [
                    models.UniqueConstraint(fields=("user",), name="staff_recovery_codes_one_set"),
                ],
            },
        ),
        migrations.CreateModel(
            name="StaffEvent",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("kind", models.CharField(choices=KINDS, max_length=50)),
                (
                    "address",
                    models.CharField(
                        blank=True, help_text="Where the request came from.", max_length=64
                    ),
                ),
                (
                    "path",
                    models.CharField(
                        blank=True,
                        help_text="The path of the refused page or action.",
                        max_length=200,
                    ),
                ),
                ("created_at", created_at()),
                (
                    "user",
                    models.ForeignKey(
                        db_index=False,
                        help_text="Null if the address belongs to no account.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "db_table": "staff_events",
                "indexes": [
                    models.Index(fields=["user", "-created_at"], name="staff_events_of_user"),
                    models.Index(fields=["-created_at"], name="staff_events_by_age"),
                ],
            },
        ),
        closed("staff_authenticators"),
        closed("staff_recovery_codes"),
        closed("staff_events"),
        migrations.RunSQL(APPEND_ONLY, APPEND_ONLY_UNDO),
        migrations.RunSQL(SCRUB, SCRUB_UNDO),
    ]
