"""Row-level security for whoever reaches the tables past Django (Supabase's own REST API).

Django connects as the tables' owner, whom the policies do not bind. All others see the rows that
are theirs, may write nothing, and see nothing of tables without a policy.
"""

from django.db import migrations

OWNER_COLUMN = {
    "users": "id",
    "subscriptions": "user_id",
    "credits": "user_id",
    "credit_transactions": "user_id",
    "projects": "user_id",
    "media_files": "user_id",
    "voice_clones": "user_id",
    "jobs": "user_id",
}
CLOSED = (
    "job_attempts",
    "job_events",
    "gpu_pools",
    "worker_heartbeats",
    "local_calls",
    "idempotency_keys",
    "users_groups",
    "users_user_permissions",
    "auth_group",
    "auth_group_permissions",
    "auth_permission",
    "django_admin_log",
    "django_content_type",
    "django_migrations",
    "django_session",
)
TOKEN_SUB = "nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'"


def _enable(table):
    return migrations.RunSQL(
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY",
    )


def _own_rows(table, column):
    return migrations.RunSQL(
        f"CREATE POLICY own_rows ON {table} FOR SELECT USING ({column}::text = ({TOKEN_SUB}))",
        f"DROP POLICY own_rows ON {table}",
    )


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0001_initial"),
        ("api", "0001_initial"),
        ("admin", "0003_logentry_add_action_flag_choices"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("credits", "0002_rules"),
        ("gpu_tasks", "0001_initial"),
        ("jobs", "0002_rules"),
        ("media", "0001_initial"),
        ("projects", "0001_initial"),
        ("sessions", "0001_initial"),
    ]

    operations = [
        *(_enable(table) for table in (*OWNER_COLUMN, *CLOSED)),
        *(_own_rows(table, column) for table, column in OWNER_COLUMN.items()),
    ]
