"""What waits for which workers, for whoever starts more of them (docs/operations.md)."""

from django.db import migrations

# As many are counted of each: nobody starts more workers for more.
MOST = 10_000
WORK = f"""
    WITH found AS (
        (SELECT 'steps' AS queue, false AS is_held, wake_at AS since
         FROM jobs WHERE wake_at <= now() AND attempt_id IS NOT NULL
         ORDER BY wake_at LIMIT {MOST})
        UNION ALL
        SELECT 'class.' || pool.gpu_class, false, job.created_at
        FROM gpu_pools AS pool CROSS JOIN LATERAL (
            SELECT created_at FROM jobs
            WHERE jobs.gpu_class = pool.gpu_class AND status = 'pending' AND attempt_id IS NULL
            ORDER BY type, rank, created_at LIMIT {MOST}
        ) AS job
        UNION ALL
        (SELECT queue, state = 'running', created_at
         FROM local_calls WHERE finished_at IS NULL LIMIT {MOST})
        UNION ALL
        (SELECT 'media.check', check_claim IS NOT NULL, NULL
         FROM media_files WHERE status = 'checking' LIMIT {MOST})
        UNION ALL
        (SELECT 'voices.check', check_claim IS NOT NULL, NULL
         FROM voice_clones WHERE status = 'checking' LIMIT {MOST})
        UNION ALL
        (SELECT 'media.derive', derivation_claim IS NOT NULL, NULL
         FROM media_files WHERE status = 'ready' AND derive_at IS NOT NULL LIMIT {MOST})
        UNION ALL
        (SELECT 'media.import', holder IS NOT NULL, NULL
         FROM media_imports WHERE due_at IS NOT NULL LIMIT {MOST})
    )
    SELECT queue::text, count(*) FILTER (WHERE NOT is_held), count(*) FILTER (WHERE is_held),
        extract(epoch FROM now() - min(since) FILTER (WHERE NOT is_held))::float8
    FROM found GROUP BY queue
"""
# It runs with the rights of the tables' owner: who may call it need see none of them.
MAKE = f"""
DO $do$ BEGIN
    EXECUTE format($function$
        CREATE FUNCTION work_waiting(
            OUT queue text, OUT waiting bigint, OUT running bigint, OUT oldest_seconds float8
        ) RETURNS SETOF record
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = %I, pg_temp
        AS $body$ {WORK} $body$
    $function$, current_schema());
END $do$;
REVOKE ALL ON FUNCTION work_waiting() FROM PUBLIC;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0025_archive_row_level_security"),
        ("gpu_tasks", "0004_open_calls"),
        ("media", "0015_consents"),
    ]
    operations = [migrations.RunSQL(MAKE, "DROP FUNCTION work_waiting()")]
