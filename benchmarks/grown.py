"""Fill a database as if it had been in use for a year: ended jobs and all rows about them.

Rows are inserted by SQL in chunks. Each chunk continues where the last one ended, so an interrupted
run can be resumed. Balances, grants and ledger rows add up (`manage.py ledger_verify`). Events are
numbered without gaps, but their hashes are random.
"""

import math
import os
import sys
import time

import psycopg

USERS = 10_000
BUSY_SHARE = 20
"""The first user has one of so many jobs."""
CHUNK = 100_000
GRANT = 500_000_000
RANDOM_IDS = os.environ.get("BENCHMARK_GROWTH_IDS") == "random"
"""True if ids are random, as in old releases. Otherwise they increase with time."""

_ID = (
    "gen_random_uuid()"
    if RANDOM_IDS
    else (
        "(lpad(to_hex((extract(epoch FROM {at}) * 1000)::bigint), 12, '0') || '7'"
        " || substr(gen_random_uuid()::text, 16))::uuid"
    )
)
TABLES = ("jobs", "job_attempts", "user_events", "credit_transactions", "media_files")

PREPARE = """
CREATE TABLE IF NOT EXISTS benchmark_users (number int PRIMARY KEY, user_id uuid, grant_id bigint);
CREATE TABLE IF NOT EXISTS benchmark_progress (made bigint, wanted bigint, first_at timestamptz);
CREATE TABLE IF NOT EXISTS benchmark_indexes (definition text);
"""
MAKE_USERS = f"""
WITH made AS (
    INSERT INTO users (id, email, password, is_superuser)
    SELECT id, id || '@example.com', '!', false FROM (
        SELECT gen_random_uuid() AS id FROM generate_series(1, {USERS})
    ) AS new RETURNING id
),
given AS (
    INSERT INTO credit_grants (user_id, kind, amount, description)
    SELECT id, 'purchase', {GRANT}, 'Before' FROM made RETURNING id, user_id
),
account AS (
    INSERT INTO credits (user_id, balance, seq, grant_ids, grant_remaining, grant_priorities,
                         grant_expires_at)
    SELECT user_id, {GRANT}, 1, ARRAY[id], ARRAY[{GRANT}], ARRAY[100], ARRAY[NULL]::timestamptz[]
    FROM given RETURNING user_id
),
line AS (
    INSERT INTO credit_transactions
        (id, user_id, seq, amount, balance_after, type, description, parts, created_at)
    SELECT gen_random_uuid(), user_id, 1, {GRANT}, {GRANT}, 'purchase', 'Before',
           jsonb_build_array(jsonb_build_object('grant_id', id, 'amount', {GRANT})),
           now() - interval '366 days'
    FROM given
)
INSERT INTO benchmark_users
SELECT row_number() OVER (ORDER BY user_id) - 1, user_id, id FROM given
"""  # noqa: S608 - ours
START = "INSERT INTO benchmark_progress VALUES (0, 0, now() - interval '365 days')"

# One chunk: what each job is, then its rows.
CHOOSE = f"""
CREATE TEMP TABLE chunk ON COMMIT DROP AS
SELECT n, user_id, grant_id, at, {_ID.format(at="at")} AS id,
       {_ID.format(at="at + interval '1 second'")} AS attempt_id,
       replace({_ID.format(at="at")}::text, '-', '') AS request_id, 1 + n % 5 AS cost,
       CASE n / 7 % 20 WHEN 0 THEN 'failed' WHEN 1 THEN 'cancelled' ELSE 'completed' END AS status,
       CASE n / 7 % 20 WHEN 0 THEN 'MODEL_ERROR' WHEN 1 THEN 'CANCELLED' END AS error_code
FROM (
    SELECT n, first_at + (n::float8 / wanted) * interval '365 days' AS at,
           CASE n % {BUSY_SHARE} WHEN 0 THEN 0 ELSE n * 7919 % {USERS} END AS number
    FROM benchmark_progress, generate_series(made + 1, least(made + {CHUNK}, wanted)) AS n
) AS job JOIN benchmark_users USING (number);
"""  # noqa: S608 - ours
MAKE = (
    """
INSERT INTO jobs (id, user_id, type, gpu_class, plan, rank, media_ids, status, credits_cost,
                  credits_refunded, price_version, input_params, derived_params, output_data,
                  error_code, error_message, modal_task_id, progress, attempt_id, wake_at,
                  start_deadline_at, deadline_at, started_at, completed_at, created_at)
SELECT id, user_id, 'noop', 'CPU', 'pro', n, ARRAY[]::uuid[], status, cost, error_code IS NOT NULL,
       'benchmark', jsonb_build_object('seconds', 0.0, 'prompt', repeat(md5(id::text), 3)),
       '{"price": 1, "language": "en"}',
       CASE WHEN error_code IS NULL
            THEN jsonb_build_object('engine', '{"name": "echo"}'::jsonb, 'text', md5(n::text)) END,
       error_code, CASE WHEN error_code IS NOT NULL THEN 'It went wrong.' END,
       md5(attempt_id::text), 1, attempt_id, NULL, at + interval '6 hours', at + interval '1 hour',
       at + interval '2 seconds', at + interval '30 seconds', at
FROM chunk ORDER BY n
""",
    """
INSERT INTO job_attempts (id, job_id, number, state, backend, engine, gpu_class, payload, call_id,
                          progress, outcome, result, used_credits, error_code, error_message,
                          publish_count, crash_count, created_at, claimed_at, dispatched_at,
                          started_at, reported_at, finished_at, lease_expires_at)
SELECT attempt_id, id, 1, status, 'modal', 'production', 'CPU',
       jsonb_build_object('seconds', 0.0, 'prompt', repeat(md5(id::text), 3)),
       md5(attempt_id::text), 1, '{"result": {}, "engine": {"name": "echo"}, "seconds": 20.0}',
       CASE WHEN error_code IS NULL THEN '{"engine": {"name": "echo"}}'::jsonb END, cost,
       error_code, NULL, 0, 0, at + interval '1 second', at + interval '2 seconds',
       at + interval '3 seconds', at + interval '4 seconds', at + interval '29 seconds',
       at + interval '30 seconds', at + interval '1 hour'
FROM chunk ORDER BY n
""",
    """
WITH event AS (
    SELECT n, place, id, user_id, name, request_id, at + (place * 14) * interval '1 second' AS at
    FROM chunk CROSS JOIN LATERAL (VALUES (0, 'requested'), (1, 'started'), (2, status))
         AS told (place, name)
),
written AS (
    INSERT INTO user_events
        (position, user_id, seq, job_id, type, data, internal, hash, created_at)
    SELECT (SELECT position FROM event_cursors WHERE name = 'numbering')
               + row_number() OVER (ORDER BY n, place), user_id,
           coalesce(head.seq, 0) + row_number() OVER (PARTITION BY user_id ORDER BY n, place),
           id, 'job.' || name,
           jsonb_build_object('job_id', id, 'type', 'noop', 'status', name, 'credits_cost', 1,
                              'project_id', NULL, 'media_ids', '[]'::jsonb),
           CASE place WHEN 0 THEN jsonb_build_object('request_id', request_id) ELSE '{}' END,
           decode(md5(n::text) || md5(id::text), 'hex'), event.at
    FROM event LEFT JOIN event_heads head USING (user_id) ORDER BY n, place
    RETURNING user_id, seq, hash
)
INSERT INTO event_heads (user_id, seq, hash)
SELECT DISTINCT ON (user_id) user_id, seq, hash FROM written ORDER BY user_id, seq DESC
ON CONFLICT (user_id) DO UPDATE SET seq = excluded.seq, hash = excluded.hash
""",
    f"""
WITH movement AS (
    SELECT place, chunk.*, way * cost AS amount, name,
           row_number() OVER line AS number, sum(way * cost) OVER line AS so_far
    FROM chunk CROSS JOIN LATERAL (VALUES (0, -1, 'usage'), (1, 1, 'refund'))
         AS kind (place, way, name)
    WHERE place = 0 OR error_code IS NOT NULL
    WINDOW line AS (PARTITION BY user_id ORDER BY n, place)
),
written AS (
    INSERT INTO credit_transactions (id, user_id, seq, amount, balance_after, type, description,
                                     job_id, parts, created_at)
    SELECT {_ID.format(at="at")}, user_id, account.seq + number, amount,
           account.balance + so_far, name, 'Do nothing', movement.id,
           jsonb_build_array(jsonb_build_object('grant_id', grant_id, 'amount', amount)), at
    FROM movement JOIN credits AS account USING (user_id) ORDER BY n, place
    RETURNING user_id, amount
),
total AS (SELECT user_id, sum(amount)::int AS amount, count(*) AS rows FROM written GROUP BY 1)
UPDATE credits SET balance = balance + amount, seq = seq + rows,
       grant_remaining[1] = grant_remaining[1] + amount
FROM total WHERE credits.user_id = total.user_id
""",  # noqa: S608 - ours
    f"""
INSERT INTO media_files (id, user_id, name, type, status, mime_type, file_size_bytes, r2_key,
                         r2_url, derivation_status, derive_at, metadata, origin, created_at)
SELECT new, user_id, 'result.mp4', 'video', 'ready', 'video/mp4', 1000000,
       'users/' || user_id || '/media/' || new || '.mp4', 'https://storage.example/' || new, 'done',
       NULL, '{{"width": 1920, "height": 1080}}', jsonb_build_object('job_id', id), at
FROM (SELECT *, {_ID.format(at="at")} AS new FROM chunk WHERE n % 10 = 0) AS one ORDER BY n
""",  # noqa: S608 - ours
    f"UPDATE benchmark_progress SET made = least(made + {CHUNK}, wanted)",  # noqa: S608
    """
UPDATE event_cursors SET position = (SELECT max(position) FROM user_events)
WHERE name = 'numbering'
""",
)
CURSOR = """
INSERT INTO event_cursors (name, position) VALUES ('numbering', 0) ON CONFLICT DO NOTHING
"""
PLAIN_INDEXES = """
SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
WHERE indrelid = ANY (%s::regclass[]) AND NOT indisunique
"""


def grow(database: psycopg.Connection, jobs: int, *, deadline: float = math.inf) -> None:
    """Insert rows until there are this many ended jobs, then vacuum.

    The connection is that of the owner of the tables, a superuser. No chunk is begun after the
    deadline (of `time.monotonic`).
    """
    database.execute("SET session_replication_role = replica")  # the rows add up by themselves
    database.execute("SET synchronous_commit = off")
    database.execute(PREPARE)
    database.execute(CURSOR)
    if not _fetch_number(database, "SELECT count(*) FROM benchmark_progress"):
        with database.transaction():
            database.execute(MAKE_USERS)
            database.execute(START)
    database.execute("UPDATE benchmark_progress SET wanted = %s", [jobs])
    if _count_made_jobs(database) < jobs:
        _drop_indexes(database)
    while _count_made_jobs(database) < jobs and time.monotonic() < deadline:
        with database.transaction():
            for statement in (CHOOSE, "ANALYZE chunk", *MAKE):
                database.execute(statement)
        print(f"{_count_made_jobs(database):,} jobs", file=sys.stderr, flush=True)
    if time.monotonic() < deadline:
        _restore_indexes(database)
    database.execute("RESET session_replication_role")


def _drop_indexes(database: psycopg.Connection) -> None:
    for name, definition in database.execute(PLAIN_INDEXES, [list(TABLES)]).fetchall():
        with database.transaction():
            database.execute("INSERT INTO benchmark_indexes VALUES (%s)", [definition])
            database.execute(f"DROP INDEX {name}")


def _restore_indexes(database: psycopg.Connection) -> None:
    database.execute("SET maintenance_work_mem = '1GB'")
    waiting = database.execute("SELECT definition FROM benchmark_indexes").fetchall()
    for (definition,) in waiting:
        with database.transaction():
            database.execute(definition)
            database.execute("DELETE FROM benchmark_indexes WHERE definition = %s", [definition])
    if waiting:
        database.execute("VACUUM (FREEZE, ANALYZE)")


def _count_made_jobs(database: psycopg.Connection) -> int:
    return _fetch_number(database, "SELECT made FROM benchmark_progress")


def _fetch_number(database: psycopg.Connection, query: str) -> int:
    row = database.execute(query.encode()).fetchone()
    assert row is not None
    return int(row[0])
