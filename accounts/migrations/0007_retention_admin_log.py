"""The admin's history may be removed once it is old: by the database, which knows how old at least."""

from django.db import migrations

# As `scrub_admin_log` (0006): with the rights of the tables' owner, its body bound to the table. The
# least age stands here, for whoever could call it could also name another.
REMOVE = """
CREATE FUNCTION remove_old_admin_log(days integer, at_most integer) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT set_config('auteur.scrubbing', 'on', true);
    DELETE FROM django_admin_log WHERE id IN (
        SELECT id FROM django_admin_log
        WHERE action_time < statement_timestamp() - make_interval(days => greatest(days, 365))
        ORDER BY id LIMIT at_most
    );
    SELECT set_config('auteur.scrubbing', 'off', true);
END;
REVOKE ALL ON FUNCTION remove_old_admin_log(integer, integer) FROM PUBLIC;
"""
REMOVE_UNDO = "DROP FUNCTION remove_old_admin_log(integer, integer)"


class Migration(migrations.Migration):
    dependencies = [("accounts", "0006_staff")]

    operations = [migrations.RunSQL(REMOVE, REMOVE_UNDO)]
