-- All raw SQL statements of `jobs`. `jobs/sql.py` reads them and defines the marks: {STATE} is a
-- state, or a set of states, of jobs/states.py as a literal, because a partial index is not used
-- for parameters; {fragment} is a fragment that is defined above; %(value)s is a parameter.
--
-- Locks: jobs in the order of their ids, each before its attempt (rows are locked in the order of
-- OF), and before credits.


-- # Fragments

-- name: current
-- The attempt `a` is the current one of the open job `j`. This does not test the status: if few
-- jobs are open, the index on the status would be read for each attempt, including its many dead
-- entries.
a.job_id = j.id AND a.id = j.attempt_id AND j.completed_at IS NULL

-- name: current_attempts
-- The same condition, for queries of Django, which find the jobs by the index `jobs_to_wake`.
SELECT a.id FROM jobs j JOIN job_attempts a ON {current}
WHERE j.attempt_id IS NOT NULL AND j.wake_at IS NOT NULL

-- name: one_of_these
-- One of `attempt_ids`. The array is hidden from the planner, as are states and holders below: for
-- an unknown array it assumes ten items, and would make a new plan at each execution with fewer.
ANY(ARRAY(SELECT unnest(%(attempt_ids)s::uuid[])))

-- name: mine
-- Lock those of the attempts that are current, in one of the states, and claimed by `holder` if one
-- is named. Each transition of many attempts at once begins with this.
WITH mine AS (
    SELECT j.id AS job_id, j.user_id, j.type, j.status, j.wake_at, j.credits_cost,
           a.id AS attempt_id, a.state, a.result, a.used_credits, a.publish_count
    FROM jobs j JOIN job_attempts a ON {current}
    WHERE a.id = {one_of_these} AND a.state = ANY(ARRAY(SELECT unnest(%(states)s::text[])))
      AND ((SELECT %(holder)s::text) IS NULL OR a.worker = (SELECT %(holder)s::text))
    ORDER BY j.id
    FOR NO KEY UPDATE OF j, a
)

-- name: at_another_time
-- A wake_at that is close enough is not changed, because each change updates indexes.
mine.wake_at NOT BETWEEN statement_timestamp() + %(after)s AND statement_timestamp() + %(before)s

-- name: claimed_at_another_time
mine.j_wake_at NOT BETWEEN statement_timestamp() + %(after)s AND statement_timestamp() + %(before)s

-- name: lazily
-- Do not wait until the commit is on disk. A crash of PostgreSQL may undo the commit as a whole,
-- with all later ones. Only for statements that are a transaction by themselves, and that no action
-- outside the database follows which must not be repeated (docs/decisions/0045).
(SELECT set_config('synchronous_commit', 'off', true)) AS lazily

-- name: lazily_if_repeatable
(SELECT set_config('synchronous_commit', CASE WHEN %(is_repeatable)s THEN 'off'
    ELSE current_setting('synchronous_commit') END, true)) AS lazily


-- # Submission

-- name: submit
-- Insert key, charge, jobs and usage rows in one statement, which is a transaction by itself. It
-- locks media, key, account, API key and cursors in this order (docs/decisions/0006), because each
-- part reads the previous one.
--
-- If there is no account, or a cap of the API key forbids the charge, cursors and jobs have no
-- user, which their tables refuse: then nothing is stored. The rank of a job is one after the
-- user's last in its GPU class, or after the clock of the class if that is higher
-- (docs/decisions/0009).
--
-- {claim_key} is `auteur.core.api.idempotency.build_claim_cte`, {charge} and {spend} are in `credits.sql`.
-- {spend} and {is_within_caps} exist for API keys only.
WITH wanted AS (
    SELECT * FROM jsonb_to_recordset(%(jobs)s::jsonb) AS job (
        place int, id uuid, type text, project_id uuid, gpu_class text, media_ids uuid[], cost int,
        plan text, price_version text, input_params jsonb, derived_params jsonb,
        retry_of_id uuid, callback_url text, max_wait_seconds float, description text, event jsonb
    )
),
charged AS (SELECT place, id AS job_id, cost, description FROM wanted WHERE cost > 0),
-- Whoever deletes the media waits for this lock, and then finds the jobs that read it.
held AS (
    SELECT id FROM media_files WHERE id = ANY(%(media_ids)s) AND status = {MEDIA_READY}
    ORDER BY id FOR SHARE
),
media AS (SELECT 1 FROM held HAVING count(*) = %(media_count)s),
{claim_key},
accepted AS (SELECT 1 FROM media WHERE %(key)s::text IS NULL OR EXISTS (TABLE key)),
{charge},
{spend}
owner AS (
    SELECT user_id FROM account WHERE {is_within_caps}
    UNION ALL SELECT %(user_id)s::uuid WHERE NOT EXISTS (TABLE charged)
),
queue_cursor AS (
    INSERT INTO fair_queue_cursors AS queue_cursor (user_id, gpu_class, rank)
    SELECT user_id, gpu_class, coalesce(clock, 0) + count(*) - 1
    FROM wanted LEFT JOIN owner ON true LEFT JOIN gpu_pools USING (gpu_class)
    WHERE EXISTS (TABLE accepted) GROUP BY user_id, gpu_class, clock ORDER BY gpu_class
    ON CONFLICT (user_id, gpu_class) DO UPDATE SET rank = greatest(excluded.rank,
        queue_cursor.rank + (SELECT count(*) FROM wanted WHERE gpu_class = excluded.gpu_class))
    RETURNING gpu_class, rank
),
job AS (
    INSERT INTO jobs (id, user_id, project_id, type, gpu_class, plan, rank, media_ids,
                      credits_cost, price_version, input_params, derived_params, retry_of_id,
                      callback_url, api_key_id, start_deadline_at)
    SELECT id, user_id, project_id, type, gpu_class, plan,
           rank - count(*) OVER (PARTITION BY gpu_class)
               + row_number() OVER (PARTITION BY gpu_class ORDER BY place), media_ids,
           cost, price_version, input_params, derived_params, retry_of_id, callback_url,
           %(api_key_id)s::uuid, now() + make_interval(secs => max_wait_seconds)
    FROM wanted JOIN queue_cursor USING (gpu_class) LEFT JOIN owner ON true
    WHERE EXISTS (TABLE accepted) ORDER BY place
),
event AS (
    INSERT INTO job_events (job_id, user_id, type, data)
    SELECT id, user_id, 'requested', event
    FROM wanted LEFT JOIN owner ON true WHERE EXISTS (TABLE accepted) ORDER BY place
)
SELECT EXISTS (TABLE media), EXISTS (TABLE accepted)


-- name: hold_media
-- Lock the media of jobs of which some wait for media. Whoever deletes the media waits for these
-- locks and then finds the jobs. The caller opens the transaction, and runs `submit` and
-- `submit_waiting` in it.
SELECT id FROM media_files WHERE id = ANY(%(media_ids)s) ORDER BY id FOR SHARE

-- name: submit_waiting
-- Insert jobs without a price whose media is being checked. They are in no queue
-- (docs/decisions/0064).
WITH wanted AS (
    SELECT * FROM jsonb_to_recordset(%(jobs)s::jsonb) AS job (
        place int, id uuid, type text, project_id uuid, gpu_class text, media_ids uuid[], cost int,
        plan text, price_version text, input_params jsonb, derived_params jsonb,
        retry_of_id uuid, callback_url text, max_wait_seconds float, event jsonb
    )
),
event AS (
    INSERT INTO job_events (job_id, user_id, type, data)
    SELECT id, %(user_id)s::uuid, 'requested', event FROM wanted ORDER BY place
)
INSERT INTO jobs (id, user_id, project_id, type, gpu_class, plan, media_ids, credits_cost,
                  price_version, input_params, derived_params, retry_of_id, callback_url,
                  api_key_id, start_deadline_at)
SELECT id, %(user_id)s::uuid, project_id, type, gpu_class, plan, media_ids, cost, price_version,
       input_params, derived_params, retry_of_id, callback_url, %(api_key_id)s::uuid,
       now() + make_interval(secs => max_wait_seconds)
FROM wanted ORDER BY place
RETURNING id

-- name: list_waiting_for_media
-- List pending jobs whose media may have been checked, the longest due first, by the index
-- `jobs_waiting_for_media`.
SELECT id FROM jobs
WHERE status = {PENDING} AND attempt_id IS NULL AND gpu_class = {MEDIA_CLASS}
  AND wake_at <= statement_timestamp() AND type = ANY(%(types)s)
ORDER BY wake_at LIMIT %(limit)s

-- name: wake_waiting_for_media
-- Make the jobs of a user that wait for this upload due now. An orchestrator that has locked one of
-- them reads the upload again or postpones the job; this statement then updates it.
UPDATE jobs SET wake_at = statement_timestamp()
WHERE id = ANY(ARRAY(
    SELECT id FROM jobs
    WHERE status = {PENDING} AND attempt_id IS NULL AND gpu_class = {MEDIA_CLASS}
      AND user_id = %(user_id)s
      AND (media_ids @> ARRAY[%(upload_id)s]::uuid[]
           OR input_params ->> 'voice_id' = %(upload_id)s::text)
    ORDER BY id FOR NO KEY UPDATE
)) AND gpu_class = {MEDIA_CLASS}
RETURNING id

-- name: postpone_waiting_for_media
-- Postpone a job whose media is still being checked by a quarter of the time that it has waited.
UPDATE jobs
SET wake_at = statement_timestamp() + least(%(longest)s, greatest(%(shortest)s,
        (statement_timestamp() - created_at) / 4))
WHERE id = %(job_id)s
  AND status = {PENDING} AND attempt_id IS NULL AND gpu_class = {MEDIA_CLASS}
RETURNING id

-- name: queue_checked
-- Charge a job whose media has been checked, and put it into the queue of its GPU class. Its rank
-- is computed as in `submit`, but it is above the clock: the job is older than those that are
-- submitted now, and must not be below the watermark of the queue (jobs/watermarks.py). Nothing is
-- done if the job no longer waits. The caller has locked the job; account, API key and cursor are
-- locked in this order.
WITH wanted AS (
    SELECT * FROM jsonb_to_recordset(%(jobs)s::jsonb) AS job (
        place int, id uuid, gpu_class text, media_ids uuid[], cost int, price_version text,
        derived_params jsonb, description text
    )
),
accepted AS (
    SELECT jobs.id FROM jobs JOIN wanted USING (id)
    WHERE jobs.status = {PENDING} AND jobs.attempt_id IS NULL AND jobs.gpu_class = {MEDIA_CLASS}
),
charged AS (SELECT place, id AS job_id, cost, description FROM wanted WHERE cost > 0),
{charge},
{spend}
owner AS (
    SELECT user_id FROM account WHERE {is_within_caps}
    UNION ALL SELECT %(user_id)s::uuid WHERE NOT EXISTS (TABLE charged)
),
queue_cursor AS (
    INSERT INTO fair_queue_cursors AS queue_cursor (user_id, gpu_class, rank)
    SELECT user_id, gpu_class, coalesce(clock, 0) + 1
    FROM wanted LEFT JOIN owner ON true LEFT JOIN gpu_pools USING (gpu_class)
    WHERE EXISTS (TABLE accepted)
    ON CONFLICT (user_id, gpu_class)
        DO UPDATE SET rank = greatest(excluded.rank, queue_cursor.rank + 1)
    RETURNING gpu_class, rank
)
UPDATE jobs
SET gpu_class = queue_cursor.gpu_class, rank = queue_cursor.rank, media_ids = wanted.media_ids,
    credits_cost = wanted.cost, price_version = wanted.price_version,
    derived_params = wanted.derived_params, wake_at = statement_timestamp()
FROM accepted JOIN wanted USING (id) JOIN queue_cursor USING (gpu_class)
WHERE jobs.id = accepted.id
RETURNING jobs.id

-- name: lock_queue_cursor
-- The caller locks the cursor of a user before it reads which of their jobs wait. A submission or
-- another end that held the lock is then visible to `lower_queue_cursor`, because that is a
-- separate statement.
SELECT rank FROM fair_queue_cursors
WHERE user_id = %(user_id)s AND gpu_class = %(gpu_class)s FOR NO KEY UPDATE

-- name: lower_queue_cursor
-- Set a locked cursor back to the highest rank of the user's waiting jobs, or to the clock of the
-- class. Each step of `waiting` reads one row: the highest rank of the next plan of a type.
WITH RECURSIVE waiting (type, plan, rank) AS (
    SELECT known.type, last.* FROM unnest(%(types)s::text[]) AS known (type) CROSS JOIN LATERAL (
        SELECT coalesce(j.plan, '') AS plan, j.rank FROM jobs j
        WHERE j.status = {PENDING} AND j.attempt_id IS NULL AND j.gpu_class = %(gpu_class)s
          AND j.type = known.type AND j.user_id = %(user_id)s
        ORDER BY coalesce(j.plan, '') DESC, j.rank DESC LIMIT 1
    ) AS last
    UNION ALL
    SELECT waiting.type, last.* FROM waiting CROSS JOIN LATERAL (
        SELECT coalesce(j.plan, '') AS plan, j.rank FROM jobs j
        WHERE j.status = {PENDING} AND j.attempt_id IS NULL AND j.gpu_class = %(gpu_class)s
          AND j.type = waiting.type AND j.user_id = %(user_id)s
          AND coalesce(j.plan, '') < waiting.plan
        ORDER BY coalesce(j.plan, '') DESC, j.rank DESC LIMIT 1
    ) AS last
)
UPDATE fair_queue_cursors SET rank = least(rank, greatest(
    (SELECT max(rank) FROM waiting),
    (SELECT clock FROM gpu_pools WHERE gpu_class = %(gpu_class)s),
    0
))
WHERE user_id = %(user_id)s AND gpu_class = %(gpu_class)s
RETURNING rank


-- # Admission

-- name: classes_with_waiting_jobs
-- List the GPU classes in which pending jobs of known types wait. Without the ORDER BY, PostgreSQL
-- might search the whole table for the first of them.
SELECT class.name
FROM unnest(%(classes)s::text[], %(ranks)s::bigint[], %(times)s::timestamptz[])
     AS class (name, from_rank, from_time)
WHERE EXISTS (
    SELECT FROM unnest(%(types)s::text[]) AS known (type)
    CROSS JOIN LATERAL (
        SELECT FROM jobs
        WHERE status = {PENDING} AND attempt_id IS NULL AND gpu_class = class.name
          AND type = known.type AND (rank, created_at) >= (class.from_rank, class.from_time)
          AND wake_at <= statement_timestamp()
        ORDER BY rank, created_at LIMIT 1
    ) AS first
)

-- name: lock_pool
-- Lock a GPU class, so that only one orchestrator counts and uses its free capacity.
SELECT FROM gpu_pools WHERE gpu_class = %(gpu_class)s FOR UPDATE

-- name: admit
-- Create the first attempts of pending jobs of a class, by rank, as far as the class, each user and
-- each feature have capacity. The caller has locked the class by `lock_pool`. Jobs whose queue has
-- capacity are claimed at once, as by `take_due`: the caller wakes them.
--
-- Jobs that cannot be admitted are not read (docs/decisions/0047). The candidates are the first
-- jobs of each feature with capacity, some more than can be admitted, because others may have
-- locked a few. If users have limits, those below their limits are selected from this first page. A
-- type whose page is full of users at their limits is `short`. It is read user by user: each step
-- of `waiting` finds the next user in the index, once from a random user and once from the first,
-- with at most `users` steps each. If that does not reach all users, a `page` of its first jobs is
-- read, too.
WITH RECURSIVE feature AS (
    SELECT * FROM jsonb_to_recordset(%(features)s::jsonb) AS feature (
        type text, backend text, engine text, at_once int, has_room boolean
    )
),
free AS (
    SELECT greatest(0, least(%(at_once)s, %(limit)s - count(*))) AS places FROM job_attempts
    WHERE gpu_class = %(gpu_class)s AND finished_at IS NULL AND state IN {IN_POOL}
      AND created_at >= %(attempts_from)s
),
busy AS (
    SELECT user_id, count(*) AS places FROM job_attempts a JOIN jobs j ON j.id = a.job_id
    WHERE %(is_limited)s AND a.gpu_class = %(gpu_class)s
      AND a.finished_at IS NULL AND a.state IN {IN_POOL}
      AND a.created_at >= %(attempts_from)s
    GROUP BY user_id
),
running AS (
    SELECT type, count(*) AS places FROM job_attempts a JOIN jobs j ON j.id = a.job_id
    WHERE a.gpu_class = %(gpu_class)s AND a.finished_at IS NULL AND a.state IN {IN_POOL}
      AND a.created_at >= %(attempts_from)s
      AND type IN (SELECT type FROM feature WHERE at_once IS NOT NULL)
    GROUP BY type
),
wanted AS (
    SELECT feature.*, at_once - coalesce(running.places, 0) AS may_run,
           least(free.places, at_once - coalesce(running.places, 0)) + 20 AS candidates
    FROM free, feature LEFT JOIN running USING (type)
    WHERE free.places > 0 AND (at_once IS NULL OR at_once > coalesce(running.places, 0))
),
first_page AS (
    SELECT wanted.type, candidates, first.id, first.may_take, row_number() OVER (
               PARTITION BY wanted.type, first.user_id, first.plan
               ORDER BY first.rank, first.created_at
           ) AS number
    FROM wanted CROSS JOIN LATERAL (
        SELECT j.id, j.user_id, coalesce(j.plan, '') AS plan, j.rank, j.created_at,
               coalesce((%(user_limits)s::jsonb ->> coalesce(j.plan, ''))::int, %(user_limit)s)
                   - coalesce(busy.places, 0) AS may_take
        FROM jobs j LEFT JOIN busy USING (user_id)
        WHERE j.status = {PENDING} AND j.attempt_id IS NULL AND j.gpu_class = %(gpu_class)s
          AND j.type = wanted.type AND (j.rank, j.created_at) >= (%(from_rank)s, %(from_time)s)
          AND j.wake_at <= statement_timestamp()
        ORDER BY j.rank, j.created_at LIMIT wanted.candidates
    ) AS first
    WHERE %(is_limited)s
),
short AS (
    SELECT type, candidates FROM first_page GROUP BY type, candidates
    HAVING count(*) = candidates
       AND count(*) FILTER (WHERE number <= may_take) < candidates - 20
),
waiting (type, candidates, steps, user_id, plan) AS (
    SELECT short.type, candidates, 1, first.*
    FROM short CROSS JOIN unnest(
        ARRAY[%(from_user)s, '00000000-0000-0000-0000-000000000000']::uuid[]
    ) AS since (user_id) CROSS JOIN LATERAL (
        SELECT j.user_id, coalesce(j.plan, '') AS plan FROM jobs j
        WHERE j.status = {PENDING} AND j.attempt_id IS NULL AND j.gpu_class = %(gpu_class)s
          AND j.type = short.type AND (j.user_id, coalesce(j.plan, '')) >= (since.user_id, '')
        ORDER BY j.user_id, coalesce(j.plan, '') LIMIT 1
    ) AS first
    UNION ALL
    SELECT waiting.type, candidates, steps + 1, later.*
    FROM waiting CROSS JOIN LATERAL (
        SELECT j.user_id, coalesce(j.plan, '') AS plan FROM jobs j
        WHERE j.status = {PENDING} AND j.attempt_id IS NULL AND j.gpu_class = %(gpu_class)s
          AND j.type = waiting.type
          AND (j.user_id, coalesce(j.plan, '')) > (waiting.user_id, waiting.plan)
        ORDER BY j.user_id, coalesce(j.plan, '') LIMIT 1
    ) AS later
    WHERE steps < %(users)s
),
long_page AS (
    SELECT first.id, first.may_take, row_number() OVER (
               PARTITION BY short.type, first.user_id, first.plan
               ORDER BY first.rank, first.created_at
           ) AS number
    FROM short CROSS JOIN LATERAL (
        SELECT j.id, j.user_id, coalesce(j.plan, '') AS plan, j.rank, j.created_at,
               coalesce((%(user_limits)s::jsonb ->> coalesce(j.plan, ''))::int, %(user_limit)s)
                   - coalesce(busy.places, 0) AS may_take
        FROM jobs j LEFT JOIN busy USING (user_id)
        WHERE j.status = {PENDING} AND j.attempt_id IS NULL AND j.gpu_class = %(gpu_class)s
          AND j.type = short.type AND (j.rank, j.created_at) >= (%(from_rank)s, %(from_time)s)
          AND j.wake_at <= statement_timestamp()
        ORDER BY j.rank, j.created_at LIMIT %(page)s
    ) AS first
    WHERE EXISTS (
        SELECT FROM waiting WHERE waiting.type = short.type AND steps >= %(users)s
    )
),
candidate AS (
    SELECT first.id FROM wanted CROSS JOIN LATERAL (
        SELECT j.id FROM jobs j
        WHERE j.status = {PENDING} AND j.attempt_id IS NULL AND j.gpu_class = %(gpu_class)s
          AND j.type = wanted.type AND (j.rank, j.created_at) >= (%(from_rank)s, %(from_time)s)
          AND j.wake_at <= statement_timestamp()
        ORDER BY j.rank, j.created_at LIMIT wanted.candidates
    ) AS first
    WHERE NOT %(is_limited)s
    UNION ALL
    SELECT id FROM first_page WHERE may_take > 0 AND number <= may_take + 20
    UNION ALL
    SELECT id FROM long_page WHERE may_take > 0 AND number <= may_take + 20
    UNION ALL
    SELECT first.id FROM waiting LEFT JOIN busy USING (user_id) CROSS JOIN LATERAL (
        SELECT j.id FROM jobs j
        WHERE j.status = {PENDING} AND j.attempt_id IS NULL AND j.gpu_class = %(gpu_class)s
          AND j.type = waiting.type AND j.user_id = waiting.user_id
          AND coalesce(j.plan, '') = waiting.plan
          AND (j.rank, j.created_at) >= (%(from_rank)s, %(from_time)s)
          AND j.wake_at <= statement_timestamp()
        ORDER BY j.rank, j.created_at
        LIMIT least(waiting.candidates, 20 - coalesce(busy.places, 0) + coalesce(
            (%(user_limits)s::jsonb ->> waiting.plan)::int, %(user_limit)s
        )::bigint)
    ) AS first
    WHERE coalesce(busy.places, 0)
        < coalesce((%(user_limits)s::jsonb ->> waiting.plan)::int, %(user_limit)s)
),
next AS (
    SELECT j.id, j.user_id, j.gpu_class, j.rank, wanted.*,
           coalesce((%(user_limits)s::jsonb ->> coalesce(j.plan, ''))::int, %(user_limit)s)
               - coalesce(busy.places, 0) AS may_take
    FROM jobs j JOIN wanted USING (type) LEFT JOIN busy USING (user_id)
    WHERE j.id = ANY(ARRAY(SELECT id FROM candidate))
      AND j.status = {PENDING} AND j.attempt_id IS NULL
    ORDER BY j.rank, j.created_at LIMIT (SELECT places FROM free)
    FOR NO KEY UPDATE OF j SKIP LOCKED
),
admitted AS (
    SELECT * FROM (
        SELECT *, row_number() OVER (PARTITION BY user_id ORDER BY rank) AS number,
               row_number() OVER (PARTITION BY type ORDER BY rank) AS number_of_type FROM next
    ) AS numbered
    WHERE number <= may_take AND (may_run IS NULL OR number_of_type <= may_run)
),
attempt AS (
    INSERT INTO job_attempts
        (id, job_id, number, state, backend, engine, gpu_class, progress, publish_count,
         crash_count)
    SELECT {NEW_ID}, id, 1, {QUEUED}, backend, engine, gpu_class, 0, has_room::int, 0
    FROM admitted, {lazily}
    RETURNING id, job_id
),
pool AS (
    UPDATE gpu_pools SET clock = greatest(clock, latest.rank)
    FROM (SELECT max(rank) AS rank FROM admitted) AS latest
    WHERE gpu_class = %(gpu_class)s AND clock < latest.rank
)
UPDATE jobs
SET attempt_id = attempt.id,
    wake_at = statement_timestamp() + CASE WHEN has_room THEN %(again)s ELSE interval '0' END
FROM attempt JOIN admitted ON admitted.id = attempt.job_id WHERE jobs.id = attempt.job_id
RETURNING attempt.id, admitted.type, has_room

-- name: count_before
-- Count the jobs of a class that wait for admission before this rank, of each type at most `most`.
-- The number of jobs beyond them is estimated, as if their ranks were equally dense.
SELECT coalesce(sum(CASE
    WHEN counted < %(most)s THEN counted
    ELSE counted * greatest(1, (%(rank)s - first + 1)::float / (last - first + 1))
END), 0)::bigint
FROM unnest(%(types)s::text[]) AS known (type) CROSS JOIN LATERAL (
    SELECT count(*) AS counted, min(rank) AS first, max(rank) AS last FROM (
        SELECT rank FROM jobs
        WHERE status = {PENDING} AND attempt_id IS NULL AND gpu_class = %(gpu_class)s
          AND type = known.type AND (rank, created_at) < (%(rank)s, %(created_at)s)
        ORDER BY rank, created_at LIMIT %(most)s
    ) AS waiting
) AS before


-- # Waking

-- name: take_due
-- Claim due attempts in these states for one orchestrator. The same statement delays their next
-- wake-up, so that no other orchestrator claims them. Each set of states is for jobs of its own
-- types. Attempts past their deadline are left to `repair` (jobs/calls/deadlines.py has the same
-- condition).
WITH due AS (
    SELECT j.id AS job_id, j.type, a.id AS attempt_id, a.state, a.publish_count, a.crash_count
    FROM {lazily}, jobs j JOIN job_attempts a ON {current}
    WHERE j.wake_at BETWEEN %(from_wake_at)s AND statement_timestamp()
      AND j.attempt_id IS NOT NULL
      AND ((a.state = ANY(%(states)s) AND j.type = ANY(%(types)s))
           OR (a.state = ANY(%(states_of_all)s) AND j.type = ANY(%(all_types)s)))
      AND CASE WHEN a.state IN {HAS_OUTCOME}
          THEN a.reported_at IS NULL OR a.reported_at > statement_timestamp() - %(delivery_limit)s
          ELSE coalesce(j.deadline_at, j.start_deadline_at + %(start_grace)s)
              > statement_timestamp() END
    ORDER BY j.wake_at, j.id LIMIT %(at_once)s
    FOR NO KEY UPDATE OF j, a SKIP LOCKED
),
job AS (
    UPDATE jobs
    SET wake_at = statement_timestamp() + least(%(again)s * (1 + publish_count), %(max_again)s)
    FROM due WHERE jobs.id = due.job_id
),
attempt AS (
    UPDATE job_attempts SET publish_count = due.publish_count + 1
    FROM due WHERE job_attempts.id = due.attempt_id
)
SELECT attempt_id, state, type, crash_count FROM due

-- name: first_alive
-- Find where each queue begins (jobs/watermarks.py), from the current watermarks on: at the first
-- unfinished row, or at what may be inserted next if that is lower (the rank of a new job is at
-- least the clock of the class, and its time is now). Also return the oldest open transaction and a
-- current one, because the end of a snapshot may be below open transactions.
SELECT pg_snapshot_xmin(seen)::text::bigint, pg_current_xact_id()::text::bigint,
       least((
           SELECT min(wake_at) FROM jobs WHERE attempt_id IS NOT NULL AND wake_at >= %(wake_at)s
       ), statement_timestamp()),
       coalesce((
           SELECT min(id) FROM job_events WHERE id >= %(event_id)s AND set_aside_at IS NULL
       ), %(next_event_id)s),
       pool.gpu_class,
       waiting.rank,
       waiting.created_at,
       least((
           SELECT min(created_at) FROM job_attempts
           WHERE gpu_class = pool.gpu_class AND finished_at IS NULL
             AND created_at >= coalesce(given.attempts_from, '-infinity')
       ), statement_timestamp())
FROM pg_current_snapshot() AS seen
     LEFT JOIN gpu_pools AS pool ON true
     LEFT JOIN jsonb_to_recordset(%(classes)s::jsonb) AS given (
         gpu_class text, rank bigint, created_at timestamptz, attempts_from timestamptz
     ) USING (gpu_class)
     LEFT JOIN LATERAL (
         SELECT first.* FROM unnest(%(types)s::text[]) AS known (type) CROSS JOIN LATERAL (
             SELECT rank, created_at FROM jobs
             WHERE status = {PENDING} AND attempt_id IS NULL AND gpu_class = pool.gpu_class
               AND type = known.type AND (rank, created_at)
                   >= (coalesce(given.rank, -1), coalesce(given.created_at, '-infinity'))
             ORDER BY rank, created_at LIMIT 1
         ) AS first
         UNION ALL SELECT clock, statement_timestamp()
         ORDER BY rank, created_at LIMIT 1
     ) AS waiting ON true


-- # Steps

-- name: claim
-- Claim the attempts that wait for the worker's step. Return their rows and those of their jobs as
-- they were before, and how long each has waited since it was created or had an outcome.
WITH mine AS (
    SELECT {claimed_columns}
    FROM {lazily_if_repeatable}, jobs j JOIN job_attempts a ON {current}
    WHERE a.id = {one_of_these} AND a.state = (SELECT %(takes)s::text)
    ORDER BY j.id
    FOR NO KEY UPDATE OF j, a
),
job AS (
    UPDATE jobs
    SET status = {PROCESSING}, started_at = coalesce(started_at, statement_timestamp()),
        wake_at = CASE WHEN {claimed_at_another_time}
            THEN statement_timestamp() + %(before)s ELSE wake_at END
    FROM mine
    WHERE jobs.id = mine.j_id AND (mine.j_status = {PENDING} OR {claimed_at_another_time})
),
event AS (
    INSERT INTO job_events (job_id, user_id, type, data)
    SELECT j_id, j_user_id, 'started', jsonb_build_object() FROM mine WHERE j_status = {PENDING}
),
attempt AS (
    UPDATE job_attempts
    SET state = %(holds)s, worker = %(worker)s, publish_count = 0,
        lease_expires_at = statement_timestamp() + %(lease)s,
        claimed_at = coalesce(claimed_at, statement_timestamp())
    FROM mine WHERE job_attempts.id = mine.a_id
)
SELECT {claimed}, statement_timestamp() - coalesce(a_reported_at, a_created_at) FROM mine

-- name: finish
-- Leave a step, and store its values for each attempt. Or continue with the next step: the worker
-- then holds the attempts in the state of that step, under a new lease.
{mine},
given AS (
    SELECT * FROM jsonb_to_recordset(%(values)s::jsonb) AS given (
        id uuid, payload jsonb, result jsonb, used_credits int
    )
),
job AS (
    UPDATE jobs SET wake_at = statement_timestamp() + %(before)s
    FROM mine WHERE jobs.id = mine.job_id AND {at_another_time}
)
UPDATE job_attempts
SET state = %(leaves)s, worker = CASE WHEN %(goes_on)s THEN worker END,
    lease_expires_at = CASE WHEN %(goes_on)s
        THEN statement_timestamp() + %(lease)s ELSE lease_expires_at END,
    payload = coalesce(given.payload, job_attempts.payload),
    result = coalesce(given.result, job_attempts.result),
    used_credits = coalesce(given.used_credits, job_attempts.used_credits)
FROM mine JOIN given ON given.id = mine.attempt_id WHERE job_attempts.id = mine.attempt_id
RETURNING job_attempts.id

-- name: requeue
-- Undo a claim, so that another worker can claim the attempts.
{mine},
job AS (
    UPDATE jobs SET wake_at = statement_timestamp() + %(pause)s
    FROM mine WHERE jobs.id = mine.job_id
)
UPDATE job_attempts
SET state = %(takes)s, worker = NULL, crash_count = crash_count + %(crash_count)s, publish_count = 0
FROM mine WHERE job_attempts.id = mine.attempt_id
RETURNING job_attempts.id

-- name: wake_left
-- Make the attempts that dead workers had claimed due now. Attempts that were published and not
-- claimed are published again, because the message may have been lost with the worker. Rows that
-- another process has locked are skipped.
WITH left_over AS (
    SELECT j.id FROM jobs j JOIN job_attempts a ON {current}
    WHERE j.attempt_id IS NOT NULL AND j.wake_at > statement_timestamp()
      AND ((a.state IN {CLAIMED} AND a.worker = ANY(%(workers)s))
           OR (a.state = ANY(%(takes)s) AND a.publish_count > 0))
    ORDER BY j.id
    FOR NO KEY UPDATE OF j SKIP LOCKED
)
UPDATE jobs SET wake_at = statement_timestamp()
FROM left_over WHERE jobs.id = left_over.id RETURNING jobs.id

-- name: mark_errored
-- Store the error of attempts that cannot continue, and request the stop of their calls that may
-- still run.
{mine},
job AS (
    UPDATE jobs SET wake_at = statement_timestamp() FROM mine WHERE jobs.id = mine.job_id
)
UPDATE job_attempts
SET state = {ERRORED}, error_code = %(error_code)s, error_message = %(error_message)s,
    publish_count = 0,
    stop_requested_at = CASE WHEN mine.state IN {MAY_RUN}
        THEN coalesce(stop_requested_at, statement_timestamp()) ELSE stop_requested_at END
FROM mine WHERE job_attempts.id = mine.attempt_id
RETURNING job_attempts.id

-- name: postpone_stops
-- Postpone stops that have failed by a quarter of the time since the attempts ended. They are given
-- up when no call can run any more.
UPDATE job_attempts
SET stop_requested_at = statement_timestamp() + least(%(longest)s, greatest(%(shortest)s,
        (statement_timestamp() - coalesce(finished_at, statement_timestamp())) / 4)),
    stopped_at = CASE WHEN finished_at < statement_timestamp() - %(given_up_after)s
        THEN statement_timestamp() END
WHERE id = ANY(%(attempt_ids)s) AND stopped_at IS NULL
RETURNING id, stopped_at IS NOT NULL

-- name: figures
-- The figures of an attempt's outcome that statistics and costs need.
CASE WHEN outcome IS NOT NULL THEN jsonb_strip_nulls(jsonb_build_object(
    'started_at', outcome -> 'started_at', 'load_seconds', outcome -> 'load_seconds',
    'seconds', outcome -> 'seconds', 'tenths', outcome -> 'tenths', 'engine', outcome -> 'engine'
)) END

-- name: written_elsewhere
-- The objects that a call writes outside the folder of its job, from its payload: segments of
-- renders.
(SELECT jsonb_build_object('made', made) FROM jsonb_path_query_array(payload,
    '$.*[*] ? (exists(@.write) && !(@.write.key like_regex "^users/[^/]+/jobs/"))'
) AS made WHERE made <> '[]')

-- name: complete
-- End jobs whose results are delivered, or need no delivery. Jobs that are worth less than their
-- price get a refund: they end only in a transaction that the caller has opened for it. Parts that
-- are stored in objects are not stored here. Of the attempt remain its figures and the names of the
-- segments that it wrote.
{mine},
ending AS (
    SELECT mine.*, coalesce(given.result, mine.result) AS output,
           coalesce(given.used_credits, mine.used_credits) AS worth
    FROM mine LEFT JOIN jsonb_to_recordset(%(values)s::jsonb) AS given (
        id uuid, result jsonb, used_credits int
    ) ON given.id = mine.attempt_id
    WHERE %(partly)s
       OR coalesce(coalesce(given.used_credits, mine.used_credits) >= credits_cost, true)
),
job AS (
    UPDATE jobs
    SET status = {COMPLETED}, progress = 1.0, wake_at = NULL,
        output_data = ending.output - ARRAY(
            SELECT jsonb_array_elements_text(%(stored_apart)s::jsonb -> ending.type)
            WHERE ending.output ? 'result_key'
        ),
        completed_at = statement_timestamp()
    FROM ending WHERE jobs.id = ending.job_id
),
attempt AS (
    UPDATE job_attempts
    SET state = {COMPLETED}, worker = NULL, finished_at = statement_timestamp(),
        payload = {written_elsewhere}, result = NULL, outcome = {figures},
        used_credits = ending.worth
    FROM ending WHERE job_attempts.id = ending.attempt_id
),
event AS (
    INSERT INTO job_events (job_id, user_id, type, data)
    SELECT job_id, user_id, {COMPLETED}, jsonb_build_object() FROM ending
)
SELECT attempt_id, job_id FROM ending


-- # Calls

-- name: record_started_calls
-- Store the ids of calls, also for attempts that have ended, so that these calls can be stopped.
-- The run deadline starts here for each attempt (docs/decisions/0059): between attempts,
-- deadline_at is the absolute bound, and before the first it is null, which `least` ignores.
WITH given AS (
    SELECT * FROM jsonb_to_recordset(%(calls)s::jsonb) AS given (id uuid, call_id text)
),
known AS (
    SELECT j.id AS job_id, a.id AS attempt_id,
           make_interval(secs => (%(leases)s::jsonb ->> j.type)::float) AS lease,
           make_interval(secs => (%(expected)s::jsonb ->> j.type)::float) AS expected,
           make_interval(secs => (%(run_limits)s::jsonb ->> j.type)::float) AS run_limit,
           coalesce(a.call_id, given.call_id) AS call_id,
           a.id = j.attempt_id AS is_latest,
           ({current}) AND a.state = {DISPATCHING} AS runs
    FROM job_attempts a JOIN jobs j ON j.id = a.job_id JOIN given ON given.id = a.id
    WHERE a.id = {one_of_these}
    ORDER BY j.id
    FOR NO KEY UPDATE OF j, a
),
job AS (
    UPDATE jobs
    SET modal_task_id = CASE WHEN known.is_latest THEN known.call_id ELSE modal_task_id END,
        wake_at = CASE
            WHEN known.runs THEN statement_timestamp() + known.expected
            ELSE wake_at END,
        deadline_at = CASE
            WHEN known.runs THEN least(deadline_at, statement_timestamp() + known.run_limit)
            ELSE deadline_at END
    FROM known WHERE jobs.id = known.job_id
)
UPDATE job_attempts
SET call_id = known.call_id,
    state = CASE WHEN known.runs THEN {RUNNING} ELSE state END,
    worker = CASE WHEN known.runs THEN NULL ELSE worker END,
    dispatched_at = CASE WHEN known.runs THEN statement_timestamp() ELSE dispatched_at END,
    lease_expires_at = CASE
        WHEN known.runs THEN statement_timestamp() + known.lease
        ELSE lease_expires_at END
FROM known WHERE job_attempts.id = known.attempt_id
RETURNING job_attempts.id, known.job_id, known.call_id, known.runs

-- name: count_attempts_of
-- Count the attempts of a job that count against the limit of its feature, and those that an
-- infrastructure error ended, and tell if the job is past its absolute bound. An infrastructure
-- error counts if the input may be its cause: the machine was lost while it ran a known call, or
-- the call reported an unusable result. A call whose start was never answered has no call_id: it
-- was given up, not lost.
SELECT count(*) FILTER (WHERE a.error_code IS NOT NULL AND (
           a.error_code NOT IN {INFRASTRUCTURE}
           OR (a.error_code = {GPU_UNAVAILABLE} AND a.started_at IS NOT NULL
               AND a.call_id IS NOT NULL)
           OR jsonb_typeof(a.outcome -> 'result') = 'object'
       )),
       count(*) FILTER (WHERE a.error_code IN {INFRASTRUCTURE}),
       coalesce(min(coalesce(a.dispatched_at, a.reported_at)) + %(bound)s,
                min(j.start_deadline_at) + %(start_grace)s) <= statement_timestamp()
FROM job_attempts a JOIN jobs j ON j.id = a.job_id WHERE a.job_id = %(job_id)s

-- name: lost_jobs
-- List closed circuits with the number of jobs that have recently lost an attempt to our
-- infrastructure. Errors of the storage count for no backend. Of the machines of one user that were
-- lost while they ran a known call only one counts, because the input may be the cause. This reads
-- the index `attempts_lost`.
WITH lost AS (
    SELECT j.type, a.backend, a.error_code, a.finished_at,
           CASE WHEN a.error_code = {GPU_UNAVAILABLE} AND a.started_at IS NOT NULL
                   AND a.call_id IS NOT NULL
               THEN j.user_id ELSE j.id END AS subject
    FROM job_attempts a JOIN jobs j ON j.id = a.job_id
    WHERE a.error_code IN {INFRASTRUCTURE} AND a.finished_at IS NOT NULL
      AND a.finished_at > statement_timestamp() - %(window)s
),
named AS (
    SELECT 'feature:' || type AS name, lost.* FROM lost
    UNION ALL
    SELECT 'backend:' || backend, lost.* FROM lost WHERE error_code = {GPU_UNAVAILABLE}
)
SELECT name, count(DISTINCT subject), mode() WITHIN GROUP (ORDER BY named.error_code)
FROM named LEFT JOIN circuits USING (name)
WHERE circuits.opened_at IS NULL
  AND named.finished_at > coalesce(circuits.closed_at, '-infinity')
GROUP BY name HAVING count(DISTINCT subject) >= %(least)s
ORDER BY name

-- name: count_completed
-- Count the jobs of these types that were completed recently, among the last ones of each.
SELECT count(*) FROM unnest(%(types)s::text[]) AS known (type) CROSS JOIN LATERAL (
    SELECT completed_at FROM jobs
    WHERE jobs.type = known.type AND status = {COMPLETED}
    ORDER BY jobs.created_at DESC LIMIT %(most)s
) AS job
WHERE completed_at > statement_timestamp() - %(window)s

-- name: claim_probe
-- Claim the next probe through all of these open circuits, for one caller, unless another probe
-- runs.
WITH open AS (
    SELECT name FROM circuits
    WHERE name = ANY(%(names)s::text[]) AND opened_at IS NOT NULL
      AND next_probe_at <= statement_timestamp()
      AND NOT EXISTS (
          SELECT FROM job_attempts a
          WHERE a.id = probe_id AND a.finished_at IS NULL AND a.state <> {ERRORED}
      )
    ORDER BY name FOR UPDATE SKIP LOCKED
)
UPDATE circuits
SET next_probe_at = statement_timestamp() + make_interval(secs => probe_seconds),
    probe_seconds = least(2 * probe_seconds, %(max_seconds)s), probe_id = NULL
FROM open
WHERE circuits.name = open.name AND (SELECT count(*) FROM open) = (
    SELECT count(*) FROM circuits WHERE name = ANY(%(names)s::text[]) AND opened_at IS NOT NULL
)
RETURNING circuits.name

-- name: close_circuits
-- Close circuits whose probe has succeeded: its call runs and has its inputs, or has ended without
-- an error of our infrastructure.
WITH recovered AS (
    SELECT circuits.name, opened_at FROM circuits JOIN job_attempts a ON a.id = probe_id
    WHERE opened_at IS NOT NULL AND CASE WHEN a.reported_at IS NULL
        THEN a.state = {RUNNING} AND a.stage <> ALL(%(early_stages)s::text[])
        ELSE coalesce(a.outcome #>> '{{error,code}}', '') NOT IN {INFRASTRUCTURE} END
    ORDER BY circuits.name FOR UPDATE OF circuits
)
UPDATE circuits
SET opened_at = NULL, closed_at = statement_timestamp(), next_probe_at = NULL, probe_id = NULL
FROM recovered WHERE circuits.name = recovered.name
RETURNING circuits.name, extract(epoch FROM statement_timestamp() - recovered.opened_at)::float8

-- name: extend_calls
-- Postpone the next poll of calls that continue, longer if messages were lost repeatedly. The run
-- deadline of those that certainly wait for a machine starts again, within the absolute bound.
{mine},
job AS (
    UPDATE jobs
    SET wake_at = statement_timestamp() + make_interval(secs => %(seconds)s * CASE
            WHEN mine.attempt_id = ANY(%(sent_again)s)
                THEN 2 ^ least(mine.publish_count, %(doublings)s)
            ELSE 1 END),
        deadline_at = CASE WHEN mine.attempt_id = ANY(%(in_queue)s) THEN (
            SELECT greatest(jobs.deadline_at, least(
                statement_timestamp() + run_limit,
                min(coalesce(a.dispatched_at, a.reported_at)) + run_limit + %(outage_allowance)s
            ))
            FROM job_attempts a, make_interval(
                secs => (%(run_limits)s::jsonb ->> mine.type)::float
            ) AS run_limit
            WHERE a.job_id = jobs.id GROUP BY run_limit
        ) ELSE jobs.deadline_at END
    FROM mine WHERE jobs.id = mine.job_id
)
UPDATE job_attempts
SET publish_count = CASE
        WHEN mine.attempt_id = ANY(%(sent_again)s) THEN mine.publish_count ELSE 0 END,
    started_at = CASE
        WHEN %(is_queued)s THEN NULL
        WHEN %(is_running)s THEN coalesce(started_at, statement_timestamp())
        ELSE started_at END,
    lease_expires_at = coalesce(
        statement_timestamp()
            + make_interval(secs => (%(leases)s::jsonb ->> mine.type)::float),
        lease_expires_at)
FROM mine WHERE job_attempts.id = mine.attempt_id
RETURNING job_attempts.id

-- name: report_progress
-- Store the progress of a running call if it is new. With its first report the call has reached a
-- machine, and its lease begins; later reports are limited in rate. It locks as `report` does.
WITH reporting AS (
    SELECT a.id, a.job_id, j.user_id, j.type, j.credits_cost, a.started_at IS NULL AS begins,
           coalesce(a.started_at, statement_timestamp()) AS started_at,
           greatest(a.progress, %(progress)s) AS progress,
           coalesce(%(stage)s::text, a.stage) AS stage
    FROM {lazily}, jobs j JOIN job_attempts a ON {current}
    WHERE a.id = %(attempt_id)s AND a.state IN {MAY_RUN}
      AND coalesce(a.call_id, %(call_id)s) = %(call_id)s AND a.stop_requested_at IS NULL
      AND (a.started_at IS NULL OR (
          (a.progress < %(progress)s OR (a.progress = %(progress)s
              AND a.stage IS DISTINCT FROM coalesce(%(stage)s::text, a.stage)))
          AND coalesce(a.progress_at <= statement_timestamp() - %(every)s, true)))
    FOR NO KEY UPDATE OF j, a
),
attempt AS (
    UPDATE job_attempts
    SET progress = reporting.progress, stage = reporting.stage, started_at = reporting.started_at,
        progress_at = statement_timestamp(),
        lease_expires_at = CASE
            WHEN begins AND state = {RUNNING} THEN statement_timestamp()
                + make_interval(secs => (%(leases)s::jsonb ->> reporting.type)::float)
            ELSE lease_expires_at END
    FROM reporting WHERE job_attempts.id = reporting.id
),
job AS (
    UPDATE jobs SET progress = reporting.progress
    FROM reporting WHERE jobs.id = reporting.job_id AND jobs.progress < reporting.progress
)
SELECT job_id, user_id, type, progress, stage, credits_cost, started_at, statement_timestamp()
FROM reporting

-- name: report
-- Store how a call ended. It locks as `mine` does, and only the attempt of this call, unless that
-- is to be stopped. It repeats the locking for speed, because it runs once for every call.
WITH reporting AS (
    SELECT a.id, a.job_id FROM jobs j JOIN job_attempts a ON {current}
    WHERE a.id = %(attempt_id)s AND a.state IN {MAY_RUN}
      AND coalesce(a.call_id, %(call_id)s) = %(call_id)s AND a.stop_requested_at IS NULL
    FOR NO KEY UPDATE OF j, a
),
reported AS (
    UPDATE job_attempts
    SET state = CASE WHEN %(error_code)s::text IS NULL THEN {REPORTED} ELSE {ERRORED} END,
        worker = NULL, call_id = %(call_id)s, outcome = %(outcome)s::jsonb,
        error_code = %(error_code)s, error_message = %(error_message)s,
        reported_at = statement_timestamp(), publish_count = 0,
        started_at = coalesce(job_attempts.started_at, greatest(job_attempts.dispatched_at,
            least(statement_timestamp(), (%(outcome)s::jsonb ->> 'started_at')::timestamptz)))
    FROM reporting WHERE job_attempts.id = reporting.id
)
UPDATE jobs SET wake_at = statement_timestamp()
FROM reporting WHERE jobs.id = reporting.job_id RETURNING jobs.id


-- # Old attempts (docs/decisions/0048)

-- name: remove_old_attempts
-- The attempts of a page whose jobs had ended by then; these jobs then name none. Returns the last id
-- of the page, or null behind the last row, and how many were removed.
WITH page AS (
    SELECT id, job_id FROM job_attempts WHERE id > %(after)s::uuid ORDER BY id LIMIT %(limit)s
),
old AS (
    SELECT page.id, page.job_id FROM page JOIN jobs j ON j.id = page.job_id
    WHERE j.status IN {ENDED} AND j.completed_at < %(due_before)s
    ORDER BY j.id FOR NO KEY UPDATE OF j
),
job AS (
    UPDATE jobs SET attempt_id = NULL FROM old WHERE jobs.id = old.job_id AND attempt_id = old.id
),
removed AS (DELETE FROM job_attempts WHERE id IN (SELECT id FROM old) RETURNING id)
SELECT (SELECT id FROM page ORDER BY id DESC LIMIT 1), (SELECT count(*) FROM removed)


-- # The event log (docs/decisions/0028)

-- name: lock_event_cursor
-- Lock the cursor of a reader until the transaction ends. It returns no row if another process has
-- the lock.
SELECT position FROM event_cursors WHERE name = %(reader)s FOR UPDATE SKIP LOCKED

-- name: take_events
-- Remove the oldest events from the outbox, each with the data of its job that clients need, and
-- with the last event of its user, or the number before the first one of the current epoch
-- (docs/decisions/0061). The data about an end of a job never changes again. The ids are an array,
-- so that the outbox is never scanned: while an old snapshot is open, it contains all events that
-- have passed through it.
WITH taken AS (
    DELETE FROM job_events
    WHERE id = ANY(ARRAY(
        SELECT id FROM job_events WHERE id >= %(from_id)s AND set_aside_at IS NULL
        ORDER BY id LIMIT %(limit)s
    ))
    RETURNING id, job_id, user_id, type, data, created_at
)
SELECT taken.id, taken.user_id, taken.job_id, taken.type, taken.data, taken.created_at,
       greatest(
           coalesce(head.seq, 0),
           (SELECT coalesce(max(number), 0) FROM event_epochs) * %(span)s::bigint
       ),
       head.hash, j.type, j.project_id, j.credits_cost,
       j.error_code, j.error_message,
       CASE WHEN j.credits_refunded THEN (
           SELECT sum(amount) FROM credit_transactions
           WHERE job_id = j.id AND type = {REFUND}
       ) ELSE 0 END,
       (1000 * extract(epoch FROM j.completed_at - a.started_at))::bigint,
       jsonb_path_query_array(j.output_data, '$.media[*].id')
FROM taken JOIN jobs j ON j.id = taken.job_id
     LEFT JOIN job_attempts a ON a.id = j.attempt_id
     LEFT JOIN event_heads head ON head.user_id = taken.user_id
ORDER BY taken.id

-- name: number_events
-- Insert numbered events into the log, and update the heads of their users. Nobody sees them before
-- the commit is as durable as the setting requires: on the standby if there is a synchronous one.
WITH numbered AS (
    SELECT * FROM jsonb_to_recordset(%(events)s::jsonb) AS event (
        position bigint, user_id uuid, seq bigint, job_id uuid, type text, data jsonb,
        internal jsonb, hash text, created_at timestamptz
    )
),
event AS (
    INSERT INTO user_events
        (position, user_id, seq, job_id, type, data, internal, hash, created_at)
    SELECT position, user_id, seq, job_id, type, data, internal, decode(hash, 'hex'), created_at
    FROM numbered ORDER BY position
),
head AS (
    INSERT INTO event_heads (user_id, seq, hash)
    SELECT DISTINCT ON (user_id) user_id, seq, decode(hash, 'hex')
    FROM numbered ORDER BY user_id, seq DESC
    ON CONFLICT (user_id) DO UPDATE SET seq = excluded.seq, hash = excluded.hash
)
SELECT count(*)
FROM numbered, (SELECT set_config('synchronous_commit', %(synchronous_commit)s, true)) AS safely

-- name: remove_old_events
-- Delete events whose retention has ended, the oldest first, up to one that is still retained. The
-- search starts where the previous one ended, because deleted rows would be read again while any
-- snapshot sees them.
WITH page AS (
    SELECT position, created_at < statement_timestamp() - %(kept)s AS is_old
    FROM user_events WHERE position > %(after)s ORDER BY position LIMIT %(limit)s
)
DELETE FROM user_events WHERE position > %(after)s AND position < coalesce(
    (SELECT min(position) FROM page WHERE NOT is_old), (SELECT max(position) + 1 FROM page)
)
RETURNING position

-- name: page_of_events
SELECT user_id, seq, position, type, data, hash, created_at FROM user_events
WHERE (user_id, seq) > (%(user_id)s, %(seq)s) ORDER BY user_id, seq LIMIT %(limit)s

-- name: events_after
-- Return events in the form of `jobs.events.log.to_wire`, for readers of the whole log. Built here,
-- they cost a third.
SELECT position, user_id, job_id, seq, type,
       to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), data,
       encode(hash, 'hex')
FROM user_events WHERE position > %(position)s ORDER BY position LIMIT %(limit)s

-- name: recent_ends
-- Count the ends of jobs in the last events, and how long these jobs had taken since their
-- submission: by the number of the interval between `bounds`, in seconds.
SELECT e.type, width_bucket(seconds, %(bounds)s::float8[]), count(*), sum(seconds)
FROM user_events e
JOIN jobs j ON j.id = e.job_id
CROSS JOIN LATERAL (SELECT extract(epoch FROM e.created_at - j.created_at)::float8 AS seconds) AS took
WHERE e.position > %(after)s AND e.type IN ('job.completed', 'job.failed', 'job.cancelled')
GROUP BY 1, 2 ORDER BY 1, 2

-- name: count_recent_events
-- Count those of the last events that happened recently.
SELECT count(*) FROM user_events
WHERE position > %(after)s AND created_at > statement_timestamp() - %(lately)s

-- name: count_waiting_events
SELECT count(*) FROM job_events WHERE set_aside_at IS NULL

-- name: audit_told_ends
-- Find jobs that do not have exactly one event of their end. Only jobs that still have an event are
-- read, because then no later one was removed.
WITH event AS (
    SELECT job_id, type FROM user_events UNION ALL SELECT job_id, 'job.' || type FROM job_events
),
told AS (
    SELECT job_id, string_agg(type, ', ' ORDER BY type) FILTER (
        WHERE type IN ('job.' || {COMPLETED}, 'job.' || {FAILED}, 'job.' || {CANCELLED})
    ) AS ends
    FROM event GROUP BY job_id
)
SELECT user_id, concat('one job.', status, ' of job ', id), coalesce(ends, 'none')
FROM told JOIN jobs ON id = job_id
WHERE status IN {ENDED} AND ends IS DISTINCT FROM 'job.' || status


-- # Webhooks (docs/decisions/0029)
--
-- A delivery waits while its state is 'waiting', and is due by due_at. While a process has claimed
-- it, due_at is the time at which the holder counts as lost.

-- name: lock_due_queues
-- Lock the queues with a due delivery, the longest waiting first. This is a separate statement,
-- because `claim_deliveries` must see everything that was written to them before.
SELECT id FROM webhook_queues
WHERE next_due_at <= statement_timestamp() AND (id = ANY(%(slow)s)) = %(is_slow)s
ORDER BY next_due_at LIMIT %(queues)s
FOR NO KEY UPDATE SKIP LOCKED

-- name: claim_deliveries
-- Claim due deliveries of locked queues for one sender. Users come first: each gets a place before
-- any user gets a further one, including deliveries in flight; the queues of a user alternate. A
-- queue that was served, or has nothing due, is read again when its next delivery is due, and after
-- those that wait now. A queue in which nothing waits is deleted. A deleted endpoint has no row.
WITH queue AS MATERIALIZED (
    SELECT id, user_id, next_due_at,
           %(at_once)s - coalesce((%(busy)s::jsonb ->> id::text)::int, 0) AS places,
           coalesce((%(busy_owners)s::jsonb ->> user_id::text)::int, 0) AS under_way
    FROM webhook_queues WHERE id = ANY(%(queue_ids)s)
),
due AS (
    SELECT queue.id AS queue_id, user_id, under_way, next_due_at, first.*,
           row_number() OVER (PARTITION BY queue.id ORDER BY first.due_at) AS number
    FROM queue CROSS JOIN LATERAL (
        SELECT d.id, d.due_at FROM webhook_deliveries d
        WHERE d.state = 'waiting' AND d.lane = queue.id AND d.due_at <= statement_timestamp()
        ORDER BY d.due_at
        LIMIT greatest(0, least(places, %(owner_at_once)s - under_way))
        FOR NO KEY UPDATE SKIP LOCKED
    ) AS first
),
fitting AS (
    SELECT * FROM (
        SELECT *, under_way + row_number() OVER (
            PARTITION BY user_id ORDER BY number, next_due_at, due_at
        ) AS turn FROM due
    ) AS numbered WHERE turn <= %(owner_at_once)s
),
taken AS MATERIALIZED (
    SELECT id, queue_id FROM fitting ORDER BY turn, next_due_at, due_at LIMIT %(limit)s
),
held AS (
    UPDATE webhook_deliveries AS d
    SET holder = %(holder)s, due_at = statement_timestamp() + %(lease)s, tries = tries + 1
    FROM taken WHERE d.id = taken.id
    RETURNING d.id, d.tries, d.lane, d.endpoint_id, d.url, d.body, d.type
),
following AS (
    SELECT queue.id, least(later.due_at, CASE WHEN is_served
               THEN statement_timestamp() + %(lease)s END) AS due_at
    FROM queue CROSS JOIN LATERAL (
        SELECT EXISTS (SELECT FROM taken WHERE queue_id = queue.id) AS is_served
    ) AS served LEFT JOIN LATERAL (
        SELECT d.due_at FROM webhook_deliveries d
        WHERE d.state = 'waiting' AND d.lane = queue.id
          AND d.id <> ALL(ARRAY(SELECT taken.id FROM taken WHERE queue_id = queue.id))
        ORDER BY d.due_at LIMIT 1
    ) AS later ON true
    WHERE is_served OR queue.id NOT IN (SELECT queue_id FROM fitting)
),
moved AS (
    UPDATE webhook_queues AS q SET next_due_at = greatest(following.due_at, statement_timestamp())
    FROM following WHERE q.id = following.id AND following.due_at IS NOT NULL
),
emptied AS (
    DELETE FROM webhook_queues WHERE id IN (SELECT id FROM following WHERE due_at IS NULL)
)
SELECT held.id, held.tries, held.lane, queue.user_id, held.type, coalesce(held.url, e.url),
       held.body, e.id IS NOT NULL, e.disabled_at IS NOT NULL, e.secret,
       CASE WHEN e.previous_secret_expires_at > statement_timestamp() THEN e.previous_secret END
FROM held JOIN queue ON queue.id = held.lane
     LEFT JOIN webhook_endpoints e ON e.id = held.endpoint_id

-- name: finish_deliveries
-- Store the outcomes of tries whose lease the holder still has.
WITH given AS (
    SELECT * FROM jsonb_to_recordset(%(outcomes)s::jsonb) AS given (
        id uuid, tries int, state text, after_seconds float, status int, duration_ms int,
        error_code text, request_headers jsonb, answer text
    )
)
UPDATE webhook_deliveries AS d
SET state = given.state, holder = NULL,
    due_at = statement_timestamp() + make_interval(secs => given.after_seconds),
    status = given.status, duration_ms = given.duration_ms, error_code = given.error_code,
    request_headers = given.request_headers, answer = given.answer,
    tried_at = statement_timestamp()
FROM given WHERE d.id = given.id AND d.holder = %(holder)s AND d.tries = given.tries
RETURNING d.endpoint_id, d.state, d.error_code

-- name: remove_old_deliveries
-- Delete some deliveries whose retention has ended, the oldest first.
DELETE FROM webhook_deliveries WHERE id IN (
    SELECT id FROM webhook_deliveries WHERE created_at < statement_timestamp() - %(kept)s
    ORDER BY created_at LIMIT %(limit)s
)
RETURNING id


-- # Streams (docs/decisions/0031)

-- name: told_of_jobs
-- Return the contents of jobs that records need and events do not have: results of completed jobs,
-- otherwise the given parameters; for starting jobs also the derived parameters, if they are small.
SELECT event.place,
       CASE event.type
           WHEN 'job.completed' THEN
               CASE jsonb_typeof(j.output_data)
                   WHEN 'object' THEN j.output_data - %(stored_apart)s::text[]
               END
           ELSE CASE jsonb_typeof(j.input_params) WHEN 'object' THEN j.input_params END
       END,
       CASE event.type WHEN 'job.started' THEN (
           SELECT jsonb_object_agg(key, value)
           FROM jsonb_each(
               CASE jsonb_typeof(j.derived_params) WHEN 'object' THEN j.derived_params END
           )
           WHERE jsonb_typeof(value) NOT IN ('object', 'array')
       ) END
FROM unnest(%(places)s::int[], %(job_ids)s::uuid[], %(types)s::text[])
         AS event (place, job_id, type)
     JOIN jobs j ON j.id = event.job_id

-- name: add_usage
-- Insert counts. Ids increase and the oldest rows are deleted first, so the difference between the
-- ends is about the number of rows.
WITH added AS (
    INSERT INTO api_usage (user_id, route, method, status_class, requests)
    SELECT user_id, route, method, status_class, requests
    FROM jsonb_to_recordset(%(rows)s::jsonb) AS counted (
        user_id uuid, route text, method text, status_class text, requests int
    )
    WHERE (SELECT coalesce(max(id) - min(id), 0) FROM api_usage) < %(most)s
    RETURNING id
)
SELECT count(*) FROM added


-- # Consents (docs/decisions/0040)

-- name: made_from
-- Find the lineage of media and voices downwards: the results of jobs that used them, the results
-- of jobs that used these, and so on, with each job. Results are found in the output of a job, or
-- of an attempt that is being delivered.
WITH RECURSIVE reads AS MATERIALIZED (
    SELECT j.id AS job_id, source
    FROM jobs j, unnest(
        j.media_ids::text[] || (j.input_params ->> 'voice_id') || (j.derived_params ->> 'voice_id')
    ) AS source
    WHERE j.user_id = %(user_id)s
),
reached (source, job_id) AS (
    SELECT source, NULL::uuid FROM unnest(%(sources)s::text[]) AS source
    UNION
    SELECT made.id, reads.job_id
    FROM reached JOIN reads ON reads.source = reached.source
    CROSS JOIN LATERAL (
        SELECT NULL AS id
        UNION ALL
        SELECT one #>> '{{}}'
        FROM jobs j, jsonb_path_query(j.output_data, '$.media[*].id') AS one
        WHERE j.id = reads.job_id
        UNION ALL
        SELECT one #>> '{{}}'
        FROM job_attempts a, jsonb_path_query(a.result, '$.media[*].id') AS one
        WHERE a.job_id = reads.job_id
    ) AS made
)
SELECT reached.source, j.id, j.status IN {OPEN}
FROM reached LEFT JOIN jobs j ON j.id = reached.job_id

-- name: forget_outputs
-- Erase the outputs of ended jobs, which the caller has locked, except the keys in `kept`.
WITH job AS (
    UPDATE jobs SET output_data = (
        SELECT coalesce(jsonb_object_agg(key, value), '{{}}'::jsonb)
        FROM jsonb_each(output_data) WHERE key = ANY(%(kept)s)
    )
    WHERE id = ANY(%(job_ids)s) AND status IN {ENDED}
      AND jsonb_typeof(output_data) = 'object'
      AND output_data - %(kept)s::text[] <> '{{}}'::jsonb
    RETURNING id
),
attempt AS (
    UPDATE job_attempts
    SET outcome = CASE WHEN outcome ? 'result' THEN outcome - 'result' ELSE outcome END,
        result = CASE jsonb_typeof(result) WHEN 'object' THEN (
            SELECT coalesce(jsonb_object_agg(key, value), '{{}}'::jsonb)
            FROM jsonb_each(result) WHERE key = ANY(%(kept)s)
        ) ELSE result END
    WHERE job_id = ANY(%(job_ids)s) AND (outcome ? 'result' OR (
        jsonb_typeof(result) = 'object' AND result - %(kept)s::text[] <> '{{}}'::jsonb))
)
SELECT count(*) FROM job

-- # Personal data in jobs (docs/privacy.md)

-- name: empty_attempts
UPDATE job_attempts
SET payload = NULL, result = NULL, error_message = NULL, outcome = {figures}
WHERE job_id = ANY(%(job_ids)s)
RETURNING id

-- name: empty_jobs
-- Erase the contents of jobs. A failed job keeps the code of its error; the message may contain a
-- file name.
UPDATE jobs
SET project_id = NULL, media_ids = ARRAY[]::uuid[], input_params = NULL, derived_params = NULL,
    output_data = NULL, callback_url = NULL,
    error_message = CASE WHEN error_message IS NOT NULL THEN '' END
WHERE id = ANY(%(job_ids)s)
RETURNING id

-- name: retain_jobs
-- Process a page of all jobs: erase prompts whose retention has ended, except the id of the voice
-- that was used, because its consent may be revoked later. A time that is null means forever,
-- because nothing is less than null.
WITH page AS (
    SELECT id, nullif(jsonb_strip_nulls(jsonb_build_object(
        'voice_id', coalesce(input_params -> 'voice_id', derived_params -> 'voice_id')
    )), '{{}}') AS kept
    FROM jobs WHERE id > %(after)s ORDER BY id LIMIT %(limit)s
),
emptied AS (
    UPDATE jobs SET input_params = NULL, derived_params = kept
    FROM page
    WHERE jobs.id = page.id
      AND (input_params IS NOT NULL OR derived_params IS DISTINCT FROM kept)
      AND completed_at < statement_timestamp() - %(prompts)s::interval
    RETURNING jobs.id
)
SELECT (SELECT id FROM page ORDER BY id DESC LIMIT 1), (SELECT count(*) FROM emptied)

-- name: retain_attempts
-- Process a page of all attempts in the same way: erase payloads, and outcomes except their
-- figures.
WITH page AS (
    SELECT id FROM job_attempts WHERE id > %(after)s ORDER BY id LIMIT %(limit)s
),
old AS (
    SELECT id,
           payload IS NOT NULL
               AND finished_at < statement_timestamp() - %(payloads)s::interval AS payload_is_old,
           (result IS NOT NULL OR error_message IS NOT NULL
                   OR outcome ?| ARRAY['result', 'error'])
               AND finished_at < statement_timestamp() - %(outcomes)s::interval AS outcome_is_old
    FROM page JOIN job_attempts USING (id)
),
emptied AS (
    UPDATE job_attempts
    SET payload = CASE WHEN payload_is_old THEN NULL ELSE payload END,
        result = CASE WHEN outcome_is_old THEN NULL ELSE result END,
        error_message = CASE WHEN outcome_is_old THEN NULL ELSE error_message END,
        outcome = CASE WHEN outcome_is_old THEN {figures} ELSE outcome END
    FROM old WHERE job_attempts.id = old.id AND (payload_is_old OR outcome_is_old)
    RETURNING job_attempts.id
)
SELECT (SELECT id FROM page ORDER BY id DESC LIMIT 1), (SELECT count(*) FROM emptied)


-- # Statistics

-- name: recent_seconds
-- Return how long the last completed jobs of a feature took from request to result.
SELECT percentile_cont(ARRAY[0.5, 0.9]) WITHIN GROUP (ORDER BY seconds) FROM (
    SELECT extract(epoch FROM completed_at - created_at)::float AS seconds
    FROM jobs WHERE type = %(type)s AND status = {COMPLETED}
    ORDER BY created_at DESC LIMIT %(limit)s
) AS recent

-- name: recent_runs
-- Return how these jobs ran since a machine began: seconds, price, and when each tenth of the work
-- was done.
SELECT seconds, credits_cost,
       ARRAY(SELECT value::float FROM jsonb_array_elements_text(tenths) AS tenth (value)) FROM (
    SELECT extract(epoch FROM j.completed_at - coalesce(a.started_at, j.started_at))::float
               AS seconds,
           j.credits_cost, a.outcome -> 'tenths' AS tenths
    FROM jobs j LEFT JOIN job_attempts a ON a.id = j.attempt_id
    WHERE j.type = %(type)s AND j.status = {COMPLETED}
    ORDER BY j.created_at DESC LIMIT %(limit)s
) AS recent WHERE seconds > 0


-- # Deleted projects

-- name: leave_project
-- Detach some jobs from a deleted project. Jobs that another process has locked are detached later.
UPDATE jobs SET project_id = NULL WHERE id = ANY(ARRAY(
    SELECT id FROM jobs WHERE project_id = %(project_id)s
    ORDER BY created_at DESC, id DESC LIMIT %(limit)s FOR NO KEY UPDATE SKIP LOCKED
))
RETURNING id


-- # Counts of jobs, computed by one process for all (docs/decisions/0047)

-- name: count_open
-- Count open jobs by type and status, with the request time of the first one that no worker has
-- begun.
SELECT type, status, count(*), extract(epoch FROM min(created_at))::float FROM jobs
WHERE status IN {OPEN} GROUP BY type, status

-- name: count_attempts
SELECT a.gpu_class, a.state, count(*) FROM jobs j JOIN job_attempts a ON {current}
WHERE j.wake_at IS NOT NULL AND j.attempt_id IS NOT NULL GROUP BY a.gpu_class, a.state

-- name: count_ended
-- Count all ended jobs, except those whose end has no number yet: these are counted by
-- `ended_since`.
SELECT (SELECT coalesce(max(position), 0) FROM user_events), coalesce(jsonb_agg(ended), '[]') FROM (
    SELECT type, status, count(*) FROM jobs
    WHERE status IN {ENDED} AND id <> ALL(ARRAY(
        SELECT job_id FROM job_events WHERE type IN {ENDED}
    ))
    GROUP BY type, status
) AS ended

-- name: ended_since
-- Count the ended jobs in a range of the log. It returns no row if no event follows.
SELECT max(position), coalesce(jsonb_agg(jsonb_build_array(j.id, j.type, j.status)) FILTER (
    WHERE event.type IN ('job.' || {COMPLETED}, 'job.' || {FAILED}, 'job.' || {CANCELLED})
), '[]')
FROM (
    SELECT position, job_id, type FROM user_events
    WHERE position > %(after)s ORDER BY position LIMIT %(limit)s
) AS event JOIN jobs j ON j.id = event.job_id
HAVING count(*) > 0


-- # Heartbeats and clocks

-- name: beat
INSERT INTO worker_heartbeats AS w (name, beat_at) VALUES (%(worker)s, statement_timestamp())
ON CONFLICT (name) DO UPDATE SET beat_at = EXCLUDED.beat_at RETURNING w.name

-- name: add_undelivered
-- Add to the number of results that were given up. The counter only increases.
INSERT INTO kept_figures AS f (name, found_at, next_at, value)
VALUES (%(figure)s, statement_timestamp(), statement_timestamp(),
        jsonb_build_object('count', %(count)s::bigint))
ON CONFLICT (name) DO UPDATE SET found_at = EXCLUDED.found_at,
    value = jsonb_build_object('count', (f.value ->> 'count')::bigint + %(count)s::bigint)
RETURNING f.name

-- name: store_clock_skew
-- Store the clock skew of one machine beside those of others, as long as these are being updated.
INSERT INTO kept_figures AS f (name, found_at, next_at, value)
VALUES (%(figure)s, statement_timestamp(), statement_timestamp(), jsonb_build_object(
    %(host)s::text, jsonb_build_object('seconds', %(seconds)s::float8, 'at', statement_timestamp())
))
ON CONFLICT (name) DO UPDATE SET found_at = EXCLUDED.found_at, value = EXCLUDED.value || (
    SELECT coalesce(jsonb_object_agg(entry.key, entry.value), jsonb_build_object())
    FROM jsonb_each(f.value - %(host)s::text) AS entry
    WHERE (entry.value ->> 'at')::timestamptz > statement_timestamp() - %(forgotten_after)s
)
RETURNING f.name


-- # The ledger audit: violations of the rules in jobs/audit/ledger_audit.py
--
-- One statement checks all rules about the same rows in one pass. Each rule is a SELECT of the
-- expected and the found value where the rule is broken.
--
-- Accounts are audited from where they were audited before: `since` has the last row that was read
-- of each account and the totals after it, or nulls; then all of its rows are read. Jobs are
-- audited by their ids. So the same statements serve the running audit and a complete one
-- (docs/decisions/0047).

-- name: accounts_to_audit
-- List accounts that have changed since they were audited, or that never were audited, those with
-- the fewest rows to read first.
SELECT account.user_id, audited.seq, audited.balance, audited.remaining, audited.last_grant,
       audited.spent, greatest(account.seq - coalesce(audited.seq, 0), 0)
FROM credits AS account LEFT JOIN audited_accounts AS audited USING (user_id)
WHERE audited.seq IS DISTINCT FROM account.seq OR audited.balance <> account.balance
ORDER BY 7, 1 LIMIT %(limit)s

-- name: note_audited
INSERT INTO audited_accounts (user_id, seq, balance, remaining, last_grant, spent)
SELECT * FROM jsonb_to_recordset(%(audited)s::jsonb) AS audited (
    user_id uuid, seq bigint, balance bigint, remaining jsonb, last_grant bigint, spent jsonb
)
ON CONFLICT (user_id) DO UPDATE
SET seq = excluded.seq, balance = excluded.balance, remaining = excluded.remaining,
    last_grant = excluded.last_grant, spent = excluded.spent
RETURNING user_id

-- name: open_jobs_after
-- List open jobs by id. They are selected first: to select them in this order, all jobs would be
-- read.
WITH open AS MATERIALIZED (SELECT id FROM jobs WHERE status IN {OPEN})
SELECT id FROM open WHERE id > %(after)s::uuid ORDER BY id LIMIT %(limit)s

-- name: audit_totals
SELECT now(), count(*), coalesce(sum(balance), 0) FROM credits

-- name: keys_that_spent
SELECT api_key_id FROM key_spending WHERE spent <> 0

-- name: since
-- The accounts, and those of their ledger rows that are to be read.
WITH since AS (
    SELECT * FROM jsonb_to_recordset(%(since)s::jsonb) AS since (
        user_id uuid, seq bigint, balance bigint, remaining jsonb, last_grant bigint, spent jsonb
    )
),
line AS (
    SELECT row.* FROM since JOIN credit_transactions AS row
        ON row.user_id = since.user_id AND row.seq > coalesce(since.seq, {LEAST_BIGINT})
)

-- name: first_of_each_rule
-- The end of each audit below: the number of findings of each rule, and the first ones.
SELECT rule, user_id, job_id, expected, found, total FROM (
    SELECT finding.*, count(*) OVER (PARTITION BY rule) AS total,
           row_number() OVER (PARTITION BY rule ORDER BY user_id, job_id) AS place
    FROM finding
) AS numbered
WHERE place <= greatest(%(limit)s, 1)
ORDER BY rule, place

-- name: audit_accounts
-- Compare balances and counters with the rows of their accounts.
{since},
finding AS (
    SELECT rule, user_id, NULL::uuid AS job_id, expected, found
    FROM (
        SELECT since.user_id, account.id, account.balance, account.seq,
               coalesce(since.seq, 0) AS before, coalesce(since.balance, 0) AS balance_before,
               ledger.*
        FROM since LEFT JOIN credits AS account USING (user_id) LEFT JOIN (
            SELECT user_id AS owner_id, sum(amount) AS amount, count(*) AS rows,
                   min(seq) AS first_seq, max(seq) AS last_seq, count(DISTINCT seq) AS seqs
            FROM line GROUP BY user_id
        ) AS ledger ON owner_id = since.user_id
    ) AS ledger
    CROSS JOIN LATERAL (
        SELECT 'account_exists', 'an account', concat('none, and ', rows, ' ledger rows')
        WHERE id IS NULL AND rows > 0
        UNION ALL
        SELECT 'balance_is_the_sum', (balance_before + coalesce(amount, 0))::text, balance::text
        WHERE balance <> balance_before + coalesce(amount, 0)
        UNION ALL
        SELECT 'seq_has_no_gaps', concat(before + 1, ' to ', before + rows),
               concat(seqs, ' numbers from ', first_seq, ' to ', last_seq)
        WHERE first_seq <> before + 1 OR last_seq <> before + rows OR seqs <> rows
        UNION ALL
        SELECT 'seq_is_the_last', coalesce(last_seq, before)::text, seq::text
        WHERE seq <> coalesce(last_seq, before)
    ) AS broken (rule, expected, found)
)
{first_of_each_rule}

-- name: audit_ledger_rows
-- Compare each row with the previous one.
{since},
chained AS (
    SELECT user_id, job_id, line.seq, amount, balance_after,
           lag(balance_after::bigint, 1, coalesce(since.balance, 0))
               OVER (PARTITION BY user_id ORDER BY line.seq) AS balance_before
    FROM line JOIN since USING (user_id)
),
finding AS (
    SELECT 'balance_after_chains' AS rule, user_id, job_id,
           concat(balance_before + amount, ' after row ', seq) AS expected,
           balance_after::text AS found
    FROM chained WHERE balance_after <> balance_before + amount
)
{first_of_each_rule}

-- name: audit_grants
-- Compare the open grants on the accounts, the granted amounts, and the movements in ledger rows.
-- Rows from before grants name none: their sum is the opening grant of the account.
{since},
account AS (SELECT credits.* FROM since JOIN credits USING (user_id)),
open AS (
    SELECT user_id, open.*, lag(ROW(priority, expires_at IS NULL, expires_at, grant_id))
               OVER (PARTITION BY user_id ORDER BY place) AS before
    FROM account, unnest(grant_ids, grant_remaining, grant_priorities, grant_expires_at)
        WITH ORDINALITY AS open (grant_id, remaining, priority, expires_at, place)
),
part AS (
    SELECT user_id, seq, line.amount AS of, part.grant_id, part.amount
    FROM line LEFT JOIN LATERAL
         jsonb_to_recordset(line.parts) AS part (grant_id bigint, amount int) ON true
    WHERE line.parts IS NOT NULL
),
opening AS (
    SELECT user_id, sum(amount) AS amount FROM line WHERE parts IS NULL GROUP BY user_id
),
moved AS (
    SELECT user_id, grant_id, sum(amount) AS amount,
           (array_agg(amount ORDER BY seq) FILTER (WHERE seq IS NOT NULL))[1] AS first
    FROM (
        SELECT user_id, grant_id, amount, seq FROM part WHERE grant_id IS NOT NULL
        UNION ALL
        SELECT user_id, known.key::bigint, known.value::bigint, NULL
        FROM since, jsonb_each_text(remaining) AS known
    ) AS known_or_moved
    GROUP BY user_id, grant_id
),
given AS (
    SELECT user_id, id AS grant_id, amount, priority, expires_at,
           coalesce(source = 'opening:' || user_id, false) AS is_opening,
           id > coalesce(last_grant, 0) AS is_new
    FROM since JOIN (
        SELECT user_id, id, amount, priority, expires_at, source FROM credit_grants
    ) AS given USING (user_id)
),
finding AS (
    SELECT 'open_grants_make_the_balance' AS rule, user_id, NULL::uuid AS job_id,
           balance::text AS expected, coalesce(remaining, 0)::text AS found
    FROM account
         LEFT JOIN (SELECT user_id, sum(remaining) AS remaining FROM open GROUP BY user_id)
         AS made USING (user_id)
    WHERE balance <> coalesce(remaining, 0)
    UNION ALL
    SELECT 'parts_make_the_amount', user_id, NULL, of::text,
           concat(coalesce(sum(amount), 0), ' in row ', seq)
    FROM part GROUP BY user_id, seq, of HAVING of <> coalesce(sum(amount), 0)
    UNION ALL
    SELECT 'grants_are_what_rows_moved', user_id, NULL,
           concat(coalesce(moved.amount, 0)
                  + CASE WHEN is_opening THEN coalesce(opening.amount, 0) ELSE 0 END,
                  ' of grant ', grant_id),
           coalesce(remaining, 0)::text
    FROM (given FULL JOIN moved USING (user_id, grant_id)) FULL JOIN open USING (user_id, grant_id)
         JOIN account USING (user_id) LEFT JOIN opening USING (user_id)
    WHERE coalesce(remaining, 0) <> coalesce(moved.amount, 0)
              + CASE WHEN is_opening THEN coalesce(opening.amount, 0) ELSE 0 END
    UNION ALL
    SELECT 'grants_are_what_was_given', user_id, NULL,
           concat(given.amount, ' for grant ', grant_id), coalesce(first, 0)::text
    FROM given LEFT JOIN moved USING (user_id, grant_id)
    WHERE is_new AND NOT is_opening AND given.amount <> coalesce(first, 0)
    UNION ALL
    SELECT 'open_grants_are_the_owners', user_id, NULL,
           concat('priority ', given.priority, ', until ', given.expires_at),
           concat('priority ', open.priority, ', until ', open.expires_at)
    FROM open LEFT JOIN given USING (user_id, grant_id)
    WHERE given.grant_id IS NULL OR given.priority <> open.priority
       OR given.expires_at IS DISTINCT FROM open.expires_at
    UNION ALL
    SELECT 'open_grants_burn_in_order', user_id, NULL, concat('grant ', grant_id, ' before'),
           concat('in place ', place)
    FROM open WHERE before > ROW(priority, expires_at IS NULL, expires_at, grant_id)
)
{first_of_each_rule}

-- name: audit_keys
-- Compare what API keys have spent with the result of `audited`.
WITH finding AS (
    SELECT 'key_spending_is_the_sum' AS rule, user_id, NULL::uuid AS job_id,
           charged.credits AS expected, coalesce(spending.spent::text, 'nothing') AS found
    FROM jsonb_to_recordset(%(audited)s::jsonb) AS audited (user_id uuid, spent jsonb)
    CROSS JOIN jsonb_each_text(audited.spent) AS charged (api_key_id, credits)
    LEFT JOIN key_spending AS spending ON spending.api_key_id = charged.api_key_id::uuid
    WHERE spending.spent IS DISTINCT FROM charged.credits::bigint
)
{first_of_each_rule}

-- name: audit_other_keys
-- Find API keys that have spent something although no job names them.
WITH finding AS (
    SELECT 'key_spending_is_the_sum' AS rule, NULL::uuid AS user_id, NULL::uuid AS job_id,
           '0' AS expected, spent::text AS found
    FROM key_spending WHERE spent <> 0 AND api_key_id = ANY(%(key_ids)s)
)
{first_of_each_rule}

-- name: audited
-- Return how far the accounts are audited by the statements above, in the same transaction. Without
-- API keys, no jobs are read for them.
{since},
charged AS (
    SELECT user_id, api_key_id, sum(credits) AS credits FROM (
        SELECT line.user_id, job.api_key_id, -line.amount AS credits
        FROM line JOIN jobs AS job ON job.id = line.job_id
        WHERE job.api_key_id IS NOT NULL AND EXISTS (SELECT FROM key_spending)
        UNION ALL
        SELECT user_id, known.key::uuid, known.value::bigint
        FROM since, jsonb_each_text(spent) AS known
    ) AS known_or_charged
    GROUP BY user_id, api_key_id
)
SELECT since.user_id, account.seq, account.balance, (
           SELECT coalesce(jsonb_object_agg(grant_id, remaining), '{{}}')
           FROM unnest(grant_ids, grant_remaining) AS open (grant_id, remaining)
       ), (SELECT coalesce(max(id), 0) FROM credit_grants WHERE user_id = since.user_id), (
           SELECT coalesce(jsonb_object_agg(api_key_id, credits), '{{}}')
           FROM charged WHERE user_id = since.user_id
       ), (SELECT count(*) FROM line WHERE user_id = since.user_id)
FROM since LEFT JOIN credits AS account USING (user_id)

-- name: jobs_of_accounts
-- List the jobs of the ledger rows to be read.
{since}
SELECT DISTINCT job_id FROM line WHERE job_id IS NOT NULL

-- name: audit_jobs
-- Compare jobs with their ledger rows, and check their wake_at. `is_unrefunded` means that the
-- price is kept, because the user's free ends of begun jobs were used up (`jobs.cancels`).
WITH job AS (
    SELECT job.user_id, job.id AS job_id, job.status, job.error_code, job.credits_cost AS cost,
           job.credits_refunded AS is_marked, job.wake_at, job.status IN {OPEN} AS is_open,
           count(*) FILTER (WHERE line.type = {USAGE}) AS usages,
           coalesce(-sum(line.amount) FILTER (WHERE line.type = {USAGE}), 0) AS used,
           count(*) FILTER (WHERE line.type = {REFUND}) AS refunds,
           coalesce(sum(line.amount) FILTER (WHERE line.type = {REFUND}), 0) AS refunded,
           count(*) FILTER (WHERE line.user_id <> job.user_id) AS foreign_rows,
           EXISTS (
               SELECT FROM running_cancels AS cancel
               WHERE cancel.job_id = job.id AND NOT cancel.refunded
           ) AS is_unrefunded
    FROM jobs AS job LEFT JOIN credit_transactions AS line ON line.job_id = job.id
    WHERE job.id = ANY(%(job_ids)s)
    GROUP BY job.id
),
-- Of expired credits: how many came back with a grace, and how many of the job's had none before.
graced AS (
    SELECT job_id, coalesce(sum(amount) FILTER (WHERE source ~ '^grace:' AND amount > 0), 0) AS amount,
           coalesce(sum(used) FILTER (WHERE (source ~ '^(grace|refund):') IS NOT TRUE), 0) AS most
    FROM (
        SELECT line.job_id, given.source, sum(part.amount) AS amount,
               -sum(part.amount) FILTER (WHERE line.type = {USAGE}) AS used
        FROM credit_transactions AS line
             CROSS JOIN LATERAL jsonb_to_recordset(line.parts) AS part (grant_id bigint, amount int)
             JOIN credit_grants AS given ON given.id = part.grant_id
        WHERE line.job_id IN (SELECT job_id FROM job WHERE refunds > 0)
        GROUP BY line.job_id, given.id
    ) AS moved
    GROUP BY job_id
),
finding AS (
    SELECT rule, user_id, job_id, expected, found
    FROM job LEFT JOIN graced USING (job_id) CROSS JOIN LATERAL (
        SELECT 'charged_once', concat((cost > 0)::int, ' usage rows'), usages::text
        WHERE usages <> (cost > 0)::int
        UNION ALL
        SELECT 'usage_is_the_price', cost::text, used::text
        WHERE usages = 1 AND cost > 0 AND used <> cost
        UNION ALL
        SELECT 'money_is_the_owners', 'rows of the job''s user',
               concat(foreign_rows, ' of another user')
        WHERE foreign_rows > 0
        UNION ALL
        SELECT 'refunded_once', 'at most 1 refund row', refunds::text
        WHERE refunds > 1
        UNION ALL
        SELECT 'refund_within_usage', concat('at most ', used), refunded::text
        WHERE refunded > used
        UNION ALL
        SELECT 'open_is_not_refunded', 'no refund', concat(refunded, ', the job is ', status)
        WHERE is_open AND refunds > 0
        UNION ALL
        SELECT 'unsuccessful_is_refunded', cost::text, concat(refunded, ', the job is ', status)
        WHERE status IN ({FAILED}, {CANCELLED}) AND refunded < cost AND NOT is_unrefunded
        UNION ALL
        SELECT 'kept_is_cancelled', 'no refund, and a cancelled job',
               concat(refunded, ', the job is ', status)
        WHERE is_unrefunded
          AND (status NOT IN ({FAILED}, {CANCELLED}) OR refunds > 0
               OR error_code NOT IN {CAUSED_BY_USER})
        UNION ALL
        SELECT 'grace_is_for_our_failures', concat('at most ', allowed), graced.amount::text
        FROM (SELECT CASE WHEN status = {FAILED} AND error_code NOT IN {CAUSED_BY_USER}
                          THEN graced.most ELSE 0 END AS allowed) AS bound
        WHERE graced.amount > allowed
        UNION ALL
        SELECT 'completed_is_paid', concat('less than ', cost), refunded::text
        WHERE status = {COMPLETED} AND refunds > 0 AND refunded >= cost
        UNION ALL
        SELECT 'refund_is_told', concat('credits_refunded ', (refunds > 0)::text), is_marked::text
        WHERE is_marked <> (refunds > 0)
        UNION ALL
        SELECT 'open_jobs_wake', CASE WHEN is_open THEN 'wake_at set' ELSE 'no wake_at' END,
               concat(coalesce(wake_at::text, 'none'), ', the job is ', status)
        WHERE is_open <> (wake_at IS NOT NULL)
    ) AS broken (rule, expected, found)
)
{first_of_each_rule}

-- name: audit_attempts
-- Find attempts that have ended although they are the current one of an open job, or the reverse.
WITH attempt AS (
    SELECT j.user_id, a.job_id, a.number, a.state, j.status,
           a.state NOT IN {ENDED} AS is_alive, ({current}) IS TRUE AS is_wanted
    FROM job_attempts a JOIN jobs j ON j.id = a.job_id WHERE j.id = ANY(%(job_ids)s)
),
finding AS (
    SELECT 'living_attempts_are_wanted' AS rule, user_id, job_id,
           CASE WHEN is_wanted THEN 'a living attempt' ELSE 'an ended attempt' END AS expected,
           concat('attempt ', number, ' ', state, ', the job is ', status) AS found
    FROM attempt WHERE is_alive <> is_wanted
)
{first_of_each_rule}

-- name: hash_partner_tokens
-- Hash the tokens of answered requests, whose plain text is no longer needed.
UPDATE partner_requests
SET token_hash = sha256(convert_to(token, 'UTF8')), token = NULL
WHERE id IN (
    SELECT id FROM partner_requests WHERE token IS NOT NULL AND state = %(answered)s
    LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
RETURNING id
