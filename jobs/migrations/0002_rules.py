"""A job's status only moves forward, and an ended job never changes it again."""

from django.db import migrations

STATUS_FORWARD = """
CREATE FUNCTION jobs_status_forward() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.status IN ('completed', 'failed', 'cancelled')
       OR (OLD.status = 'processing' AND NEW.status = 'pending')
       OR (OLD.status = 'pending' AND NEW.status = 'completed') THEN
        RAISE EXCEPTION 'job % cannot go from % to %', OLD.id, OLD.status, NEW.status
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER status_forward BEFORE UPDATE OF status ON jobs
    FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status)
    EXECUTE FUNCTION jobs_status_forward();
"""
STATUS_FORWARD_UNDO = """
DROP TRIGGER status_forward ON jobs;
DROP FUNCTION jobs_status_forward();
"""


class Migration(migrations.Migration):
    dependencies = [("jobs", "0001_initial")]

    operations = [migrations.RunSQL(STATUS_FORWARD, STATUS_FORWARD_UNDO)]
