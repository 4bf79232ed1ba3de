"""Closed to all but the tables' owner and the application, as every other table is."""

from django.db import migrations

TABLES = ("kept_figures", "audited_accounts", "audit_findings")


class Migration(migrations.Migration):
    dependencies = [("jobs", "0027_figures")]

    operations = [
        migrations.RunSQL(
            f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
            f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY",
        )
        for table in TABLES
    ]
