-- Every raw statement of `jobs`, whole. `jobs/sql.py` reads them and says what the marks mean:
-- {STATE} is a state, or a set of them, of jobs/states.py as a literal, for a partial index is not
-- used for parameters; {fragment} is a piece that stands above; %(value)s is sent apart.
--
-- Locks: jobs in order of their ids, each before its attempt (rows are locked in the order of OF),
-- and before credits.


-- # Fragments

-- name: current
-- The attempt `a` is the current one of the job `j`, which is open.
a.job_id = j.id AND a.id = j.attempt_id AND j.status IN {OPEN}

-- name: current_attempts
-- The same, for queries of Django's.
SELECT a.id FROM jobs j JOIN job_attempts a ON {current}

-- name: mine
-- Locks those of the attempts that are current and in one of the states, and held by `holder` if
-- one is named: with this begins each transition that takes many attempts at once.
WITH mine AS (
    SELECT j.id AS job_id, j.user_id, j.type, j.status, j.wake_at, j.credits_cost,
           a.id AS attempt_id, a.state, a.result, a.used_credits, a.publish_count
    FROM jobs j JOIN job_attempts a ON {current}
    WHERE a.id = ANY(%(attempt_ids)s) AND a.state = ANY(%(states)s)
      AND (%(holder)s::text IS NULL OR a.worker = %(holder)s)
    ORDER BY j.id
    FOR NO KEY UPDATE OF j, a
)

-- name: at_another_time
-- A wake_at that is near enough stays as it is, for each change of it costs an update of indexes.
mine.wake_at NOT BETWEEN statement_timestamp() + %(after)s AND statement_timestamp() + %(before)s


-- # Coming in

-- name: submit
-- Key, credits, jobs and usage rows in one statement, which is its own transaction. It locks media,
-- key, account, API key and cursors in this order (docs/decisions/0006), for each part reads the one
-- before.
--
-- Where there is no account, or a cap of the API key forbids it, cursors and jobs have no user, which
-- their tables refuse: so nothing is kept without its jobs. A job's rank is one after the user's last
-- in its GPU class, or that of the class's clock if it is higher (docs/decisions/0009).
--
-- {claim_key} is `auteur.api.idempotency.claim`, {charge} and {spend} are of `credits.sql`. The last
-- is there for API keys alone, as is {is_within_caps}.
WITH wanted AS (
    SELECT * FROM jsonb_to_recordset(%(jobs)s::jsonb) AS job (
        place int, id uuid, type text, project_id uuid, gpu_class text, media_ids uuid[], cost int,
        plan text, price_version text, input_params jsonb, derived_params jsonb,
        retry_of_id uuid, callback_url text, max_wait_seconds float, description text, event jsonb
    )
),
charged AS (SELECT place, id AS job_id, cost, description FROM wanted WHERE cost > 0),
-- Who deletes the media waits for this lock, and then finds the jobs that read it.
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


-- # Admission

-- name: classes_with_waiting_jobs
-- The GPU classes in which pending jobs of known types wait.
SELECT class.name FROM unnest(%(classes)s::text[]) AS class (name) WHERE EXISTS (
    SELECT FROM jobs
    WHERE status = {PENDING} AND attempt_id IS NULL AND gpu_class = class.name
      AND type = ANY(%(types)s) AND wake_at <= statement_timestamp()
)

-- name: lock_pool
-- Only one orchestrator at a time counts and fills the free places of a class.
SELECT FROM gpu_pools WHERE gpu_class = %(gpu_class)s FOR UPDATE

-- name: admit
-- First attempts for pending jobs of a class, by rank, as far as the class, each user and each
-- feature have places left. The caller has locked the class by `lock_pool`.
WITH feature AS (
    SELECT * FROM jsonb_to_recordset(%(features)s::jsonb) AS feature (
        type text, backend text, engine text, run_seconds float, at_once int
    )
),
taken AS (
    SELECT count(*) AS places FROM job_attempts
    WHERE gpu_class = %(gpu_class)s AND state IN {IN_POOL}
),
busy AS (
    SELECT user_id, count(*) AS places FROM job_attempts a JOIN jobs j ON j.id = a.job_id
    WHERE %(is_limited)s AND a.gpu_class = %(gpu_class)s AND a.state IN {IN_POOL}
    GROUP BY user_id
),
running AS (
    SELECT type, count(*) AS places FROM job_attempts a JOIN jobs j ON j.id = a.job_id
    WHERE a.gpu_class = %(gpu_class)s AND a.state IN {IN_POOL}
      AND type IN (SELECT type FROM feature WHERE at_once IS NOT NULL)
    GROUP BY type
),
next AS (
    SELECT j.id, j.user_id, j.gpu_class, j.rank, feature.*,
           coalesce((%(user_limits)s::jsonb ->> coalesce(j.plan, ''))::int, %(user_limit)s)
               - coalesce(busy.places, 0) AS may_take,
           at_once - coalesce(running.places, 0) AS may_run
    FROM jobs j JOIN feature USING (type) LEFT JOIN busy USING (user_id)
         LEFT JOIN running USING (type)
    WHERE j.status = {PENDING} AND j.attempt_id IS NULL AND j.gpu_class = %(gpu_class)s
      AND j.wake_at <= statement_timestamp()
      AND (at_once IS NULL OR at_once > coalesce(running.places, 0))
      AND coalesce(busy.places, 0)
          < coalesce((%(user_limits)s::jsonb ->> coalesce(j.plan, ''))::int, %(user_limit)s)
    ORDER BY j.rank, j.created_at
    LIMIT (SELECT greatest(0, least(%(at_once)s, %(limit)s - places)) FROM taken)
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
    SELECT gen_random_uuid(), id, 1, {QUEUED}, backend, engine, gpu_class, 0, 0, 0 FROM admitted
    RETURNING id, job_id
),
pool AS (
    UPDATE gpu_pools SET clock = greatest(clock, latest.rank)
    FROM (SELECT max(rank) AS rank FROM admitted) AS latest
    WHERE gpu_class = %(gpu_class)s AND clock < latest.rank
)
UPDATE jobs
SET attempt_id = attempt.id, wake_at = statement_timestamp(),
    deadline_at = statement_timestamp() + make_interval(secs => run_seconds)
FROM attempt JOIN admitted ON admitted.id = attempt.job_id WHERE jobs.id = attempt.job_id
RETURNING jobs.id


-- # Waking

-- name: take_due
-- Due attempts in these states, taken by one orchestrator; the same statement delays their next
-- wake-up, so that no other takes them.
WITH due AS (
    SELECT j.id AS job_id, j.type, a.id AS attempt_id, a.state, a.publish_count, a.crash_count
    FROM jobs j JOIN job_attempts a ON {current}
    WHERE j.wake_at <= statement_timestamp() AND j.attempt_id IS NOT NULL
      AND j.type = ANY(%(types)s) AND a.state = ANY(%(states)s)
      AND (j.deadline_at > statement_timestamp() OR a.state IN {DELIVERING})
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


-- # Steps

-- name: claim
-- A worker takes the attempts that wait for its step.
{mine},
job AS (
    UPDATE jobs
    SET status = {PROCESSING}, started_at = coalesce(started_at, statement_timestamp()),
        wake_at = statement_timestamp() + %(before)s
    FROM mine WHERE jobs.id = mine.job_id AND (mine.status = {PENDING} OR {at_another_time})
),
event AS (
    INSERT INTO job_events (job_id, user_id, type, data)
    SELECT job_id, user_id, 'started', jsonb_build_object() FROM mine WHERE status = {PENDING}
),
attempt AS (
    UPDATE job_attempts
    SET state = %(holds)s, worker = %(worker)s, publish_count = 0,
        lease_expires_at = statement_timestamp() + %(lease)s,
        claimed_at = coalesce(claimed_at, statement_timestamp())
    FROM mine WHERE job_attempts.id = mine.attempt_id
)
SELECT attempt_id FROM mine

-- name: finish
-- A worker leaves its step with what it has made of each attempt.
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
SET state = %(leaves)s, worker = NULL,
    payload = coalesce(given.payload, job_attempts.payload),
    result = coalesce(given.result, job_attempts.result),
    used_credits = coalesce(given.used_credits, job_attempts.used_credits)
FROM mine JOIN given ON given.id = mine.attempt_id WHERE job_attempts.id = mine.attempt_id
RETURNING job_attempts.id

-- name: requeue
-- A claim is undone, so that another worker can take the attempts.
{mine},
job AS (
    UPDATE jobs SET wake_at = statement_timestamp() + %(pause)s
    FROM mine WHERE jobs.id = mine.job_id
)
UPDATE job_attempts
SET state = %(takes)s, worker = NULL, crash_count = crash_count + %(crash_count)s, publish_count = 0
FROM mine WHERE job_attempts.id = mine.attempt_id
RETURNING job_attempts.id

-- name: mark_errored
-- The attempts cannot go on: their error is stored, and a call that may still run is to be stopped.
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

-- name: complete
-- Jobs whose results are delivered end.
{mine},
job AS (
    UPDATE jobs
    SET status = {COMPLETED}, output_data = mine.result, progress = 1.0, wake_at = NULL,
        completed_at = statement_timestamp()
    FROM mine WHERE jobs.id = mine.job_id
),
attempt AS (
    UPDATE job_attempts
    SET state = {COMPLETED}, worker = NULL, finished_at = statement_timestamp()
    FROM mine WHERE job_attempts.id = mine.attempt_id
),
event AS (
    INSERT INTO job_events (job_id, user_id, type, data)
    SELECT job_id, user_id, {COMPLETED}, jsonb_build_object() FROM mine
)
SELECT attempt_id, job_id, used_credits < credits_cost FROM mine


-- # Calls

-- name: record_started_calls
-- The ids of calls are stored even of attempts that have ended, so that these calls can be stopped.
WITH given AS (
    SELECT * FROM jsonb_to_recordset(%(calls)s::jsonb) AS given (
        id uuid, call_id text, lease_seconds float, expected_seconds float
    )
),
known AS (
    SELECT j.id AS job_id, a.id AS attempt_id, given.lease_seconds, given.expected_seconds,
           coalesce(a.call_id, given.call_id) AS call_id,
           a.id = j.attempt_id AS is_latest,
           ({current}) AND a.state = {DISPATCHING} AS runs
    FROM given JOIN job_attempts a ON a.id = given.id JOIN jobs j ON j.id = a.job_id
    ORDER BY j.id
    FOR NO KEY UPDATE OF j, a
),
job AS (
    UPDATE jobs
    SET modal_task_id = CASE WHEN known.is_latest THEN known.call_id ELSE modal_task_id END,
        wake_at = CASE
            WHEN known.runs THEN statement_timestamp() + make_interval(secs => expected_seconds)
            ELSE wake_at END
    FROM known WHERE jobs.id = known.job_id
)
UPDATE job_attempts
SET call_id = known.call_id,
    state = CASE WHEN known.runs THEN {RUNNING} ELSE state END,
    worker = CASE WHEN known.runs THEN NULL ELSE worker END,
    dispatched_at = CASE WHEN known.runs THEN statement_timestamp() ELSE dispatched_at END,
    lease_expires_at = CASE
        WHEN known.runs THEN statement_timestamp() + make_interval(secs => lease_seconds)
        ELSE lease_expires_at END
FROM known WHERE job_attempts.id = known.attempt_id
RETURNING job_attempts.id, known.job_id, known.call_id, known.runs

-- name: extend_calls
-- Calls that go on are polled again later, the later the more often messages were lost.
{mine},
job AS (
    UPDATE jobs
    SET wake_at = statement_timestamp() + make_interval(secs => %(seconds)s * CASE
        WHEN mine.attempt_id = ANY(%(sent_again)s) THEN 2 ^ least(mine.publish_count, %(doublings)s)
        ELSE 1 END)
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
-- What a call tells while it runs, if it is new. With its first word it has come to a machine, and
-- its lease begins; after that it is heard only so often. It locks as `report` does.
WITH reporting AS (
    SELECT a.id, a.job_id, j.user_id, j.type, j.credits_cost, a.started_at IS NULL AS begins,
           coalesce(a.started_at, statement_timestamp()) AS started_at,
           greatest(a.progress, %(progress)s) AS progress,
           coalesce(%(stage)s::text, a.stage) AS stage
    FROM jobs j JOIN job_attempts a ON {current}
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
-- How a call ended. It locks as `mine` does, and only the attempt of this call while it is not to be
-- stopped. Written out for its speed: it runs once for every call.
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


-- # The numbered log (docs/decisions/0028)

-- name: lock_event_cursor
-- Nobody else follows the log under this name until the transaction ends; no row: somebody does.
SELECT position FROM event_cursors WHERE name = %(reader)s FOR UPDATE SKIP LOCKED

-- name: take_events
-- The oldest events that wait for a number leave the outbox, each with what a client needs of its
-- job, and with the last event of its user. What an end says of a job never changes again.
WITH taken AS (
    DELETE FROM job_events
    WHERE id IN (
        SELECT id FROM job_events WHERE set_aside_at IS NULL ORDER BY id LIMIT %(limit)s
    )
    RETURNING id, job_id, user_id, type, data, created_at
)
SELECT taken.id, taken.user_id, taken.job_id, taken.type, taken.data, taken.created_at,
       coalesce(head.seq, 0), head.hash, j.type, j.project_id, j.credits_cost,
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
-- Numbered events become rows of the log; their users' heads move with them.
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
SELECT count(*) FROM numbered

-- name: remove_old_events
-- Some events that are older than they are kept, the oldest first.
DELETE FROM user_events WHERE position IN (
    SELECT position FROM user_events ORDER BY position LIMIT %(limit)s
) AND created_at < statement_timestamp() - %(kept)s
RETURNING position

-- name: page_of_events
SELECT user_id, seq, position, type, data, hash, created_at FROM user_events
WHERE (user_id, seq) > (%(user_id)s, %(seq)s) ORDER BY user_id, seq LIMIT %(limit)s

-- name: events_after
-- As `jobs.events.log.wire` tells them, for readers of everything: made here, they cost a third.
SELECT position, user_id, job_id, seq, type,
       to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), data,
       encode(hash, 'hex')
FROM user_events WHERE position > %(position)s ORDER BY position LIMIT %(limit)s

-- name: recent_ends
-- How jobs ended of which the last events tell, and how long they had taken since they were
-- submitted: by the number of the interval between `bounds`, in seconds.
SELECT e.type, width_bucket(seconds, %(bounds)s::float8[]), count(*), sum(seconds)
FROM user_events e
JOIN jobs j ON j.id = e.job_id
CROSS JOIN LATERAL (SELECT extract(epoch FROM e.created_at - j.created_at)::float8 AS seconds) AS took
WHERE e.position > %(after)s AND e.type IN ('job.completed', 'job.failed', 'job.cancelled')
GROUP BY 1, 2 ORDER BY 1, 2

-- name: count_recent_events
-- How many of the last events happened lately.
SELECT count(*) FROM user_events
WHERE position > %(after)s AND created_at > statement_timestamp() - %(lately)s

-- name: count_waiting_events
SELECT count(*) FROM job_events WHERE set_aside_at IS NULL

-- name: audit_told_ends
-- Jobs whose end was not told exactly once; only of jobs that have an event still, for then no
-- later one was removed.
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
-- A delivery waits while its state is 'waiting' and is due by due_at; while somebody holds it, that
-- is when the holder counts as lost.

-- name: claim_deliveries
-- Due deliveries, taken by one sender: of each lane as many as it has places, the lanes in turn.
-- One step of `lane` finds the next lane in the index, however much waits in the one before.
-- An endpoint that has been deleted since has no row.
WITH RECURSIVE lane AS (
    (SELECT lane AS id FROM webhook_deliveries WHERE state = 'waiting' ORDER BY lane LIMIT 1)
    UNION ALL
    SELECT (
        SELECT d.lane FROM webhook_deliveries d
        WHERE d.state = 'waiting' AND d.lane > lane.id ORDER BY d.lane LIMIT 1
    ) FROM lane WHERE lane.id IS NOT NULL
),
due AS (
    SELECT first.id, row_number() OVER (PARTITION BY lane.id ORDER BY first.due_at) AS turn,
           first.due_at
    FROM lane CROSS JOIN LATERAL (
        SELECT d.id, d.due_at FROM webhook_deliveries d
        WHERE d.state = 'waiting' AND d.lane = lane.id AND d.due_at <= statement_timestamp()
        ORDER BY d.due_at
        LIMIT greatest(0, %(at_once)s - coalesce((%(busy)s::jsonb ->> lane.id::text)::int, 0))
        FOR NO KEY UPDATE SKIP LOCKED
    ) AS first
    WHERE lane.id = ANY(%(slow)s) = %(is_slow)s
),
taken AS (SELECT id FROM due ORDER BY turn, due_at LIMIT %(limit)s),
held AS (
    UPDATE webhook_deliveries AS d
    SET holder = %(holder)s, due_at = statement_timestamp() + %(lease)s, tries = tries + 1
    FROM taken WHERE d.id = taken.id
    RETURNING d.id, d.tries, d.lane, d.endpoint_id, d.url, d.body, d.type
)
SELECT held.id, held.tries, held.lane, coalesce(held.url, e.url), held.body, e.id IS NOT NULL,
       e.disabled_at IS NOT NULL, e.secret,
       CASE WHEN e.previous_secret_expires_at > statement_timestamp() THEN e.previous_secret END
FROM held LEFT JOIN webhook_endpoints e ON e.id = held.endpoint_id

-- name: finish_deliveries
-- What came of tries, as far as they are still the holder's.
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
-- Some that are older than they are kept, the oldest first.
DELETE FROM webhook_deliveries WHERE id IN (
    SELECT id FROM webhook_deliveries WHERE created_at < statement_timestamp() - %(kept)s
    ORDER BY created_at LIMIT %(limit)s
)
RETURNING id


-- # Streams (docs/decisions/0031)

-- name: told_of_jobs
-- What records say of jobs that stands in no event: results where they are completed, else what was
-- given; and where they begin, what they go by besides, as far as it is small.
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
-- Ids rise, and the oldest rows go first: what lies between the ends is about how many there are.
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
-- The lineage of media and voices, downwards: what jobs have made of them, of that, and so on, with
-- each job; results are known by the output of a job, or of an attempt that may just deliver it.
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
-- Of the outputs of ended jobs, which the caller has locked, only what is `kept` stays.
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

-- # What people gave to jobs and got of them (docs/privacy.md)

-- name: figures
-- What statistics and costs need of an attempt's outcome.
CASE WHEN outcome IS NOT NULL THEN jsonb_strip_nulls(jsonb_build_object(
    'started_at', outcome -> 'started_at', 'load_seconds', outcome -> 'load_seconds',
    'seconds', outcome -> 'seconds', 'tenths', outcome -> 'tenths', 'engine', outcome -> 'engine'
)) END

-- name: empty_attempts
UPDATE job_attempts
SET payload = NULL, result = NULL, error_message = NULL, outcome = {figures}
WHERE job_id = ANY(%(job_ids)s)
RETURNING id

-- name: empty_jobs
-- A failed job keeps its error's code; its message may name a file.
UPDATE jobs
SET project_id = NULL, media_ids = ARRAY[]::uuid[], input_params = NULL, derived_params = NULL,
    output_data = NULL, callback_url = NULL,
    error_message = CASE WHEN error_message IS NOT NULL THEN '' END
WHERE id = ANY(%(job_ids)s)
RETURNING id

-- name: retain_jobs
-- A page of the walk through all jobs: prompts that are no longer kept go, but for the voice that
-- was used: whoever takes it back must find what was made with it. A time that is null is for ever,
-- for nothing is less than null.
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
-- The same of all attempts: payloads, and what calls answered but for its figures.
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
-- How long the last completed jobs of a feature took in all.
SELECT percentile_cont(ARRAY[0.5, 0.9]) WITHIN GROUP (ORDER BY seconds) FROM (
    SELECT extract(epoch FROM completed_at - created_at)::float AS seconds
    FROM jobs WHERE type = %(type)s AND status = {COMPLETED}
    ORDER BY created_at DESC LIMIT %(limit)s
) AS recent

-- name: recent_runs
-- How they ran since a machine began: seconds, price, and when each tenth of the work was done.
SELECT seconds, credits_cost,
       ARRAY(SELECT value::float FROM jsonb_array_elements_text(tenths) AS tenth (value)) FROM (
    SELECT extract(epoch FROM j.completed_at - coalesce(a.started_at, j.started_at))::float
               AS seconds,
           j.credits_cost, a.outcome -> 'tenths' AS tenths
    FROM jobs j LEFT JOIN job_attempts a ON a.id = j.attempt_id
    WHERE j.type = %(type)s AND j.status = {COMPLETED}
    ORDER BY j.created_at DESC LIMIT %(limit)s
) AS recent WHERE seconds > 0


-- # The ledger audit: what breaks a rule, and how (what the rules mean: jobs/ledger_audit.py)
--
-- One statement, and so one pass, for all rules about the same rows. Each rule is a SELECT of what
-- was expected and what was found, where the rule is broken.

-- name: audit_totals
SELECT now(), (SELECT count(*) FROM credits), (SELECT count(*) FROM credit_transactions),
       (SELECT count(*) FROM jobs), (SELECT coalesce(sum(balance), 0) FROM credits)

-- name: first_of_each_rule
-- How each of the audits below ends: with the number of findings of each rule, and the first ones.
SELECT rule, user_id, job_id, expected, found, total FROM (
    SELECT finding.*, count(*) OVER (PARTITION BY rule) AS total,
           row_number() OVER (PARTITION BY rule ORDER BY user_id, job_id) AS place
    FROM finding
) AS numbered
WHERE place <= greatest(%(limit)s, 1)
ORDER BY rule, place

-- name: audit_accounts
-- Balances and counters against the rows of their accounts.
WITH finding AS (
    SELECT rule, user_id, NULL::uuid AS job_id, expected, found
    FROM credits AS account FULL JOIN (
        SELECT user_id, sum(amount) AS total, count(*) AS rows, min(seq) AS first_seq,
               max(seq) AS last_seq, count(DISTINCT seq) AS seqs
        FROM credit_transactions GROUP BY user_id
    ) AS ledger USING (user_id)
    CROSS JOIN LATERAL (
        SELECT 'account_exists', 'an account', concat('none, and ', rows, ' ledger rows')
        WHERE account.id IS NULL
        UNION ALL
        SELECT 'balance_is_the_sum', coalesce(total, 0)::text, balance::text
        WHERE balance <> coalesce(total, 0)
        UNION ALL
        SELECT 'seq_has_no_gaps', concat('1 to ', rows),
               concat(seqs, ' numbers from ', first_seq, ' to ', last_seq)
        WHERE first_seq <> 1 OR last_seq <> rows OR seqs <> rows
        UNION ALL
        SELECT 'seq_is_the_last', coalesce(last_seq, 0)::text, seq::text
        WHERE seq <> coalesce(last_seq, 0)
    ) AS broken (rule, expected, found)
)
{first_of_each_rule}

-- name: audit_ledger_rows
-- Each row against the one before it.
WITH line AS (
    SELECT user_id, job_id, seq, amount, balance_after,
           lag(balance_after, 1, 0) OVER (PARTITION BY user_id ORDER BY seq) AS balance_before
    FROM credit_transactions
),
finding AS (
    SELECT 'balance_after_chains' AS rule, user_id, job_id,
           concat(balance_before + amount, ' after row ', seq) AS expected,
           balance_after::text AS found
    FROM line WHERE balance_after <> balance_before + amount
)
{first_of_each_rule}

-- name: audit_grants
-- What lies on the accounts, what was given, and what the ledger's rows say that moved. Rows from
-- before grants name none: what they come to is the account's opening grant.
WITH open AS (
    SELECT user_id, open.*, lag(ROW(priority, expires_at IS NULL, expires_at, grant_id))
               OVER (PARTITION BY user_id ORDER BY place) AS before
    FROM credits, unnest(grant_ids, grant_remaining, grant_priorities, grant_expires_at)
        WITH ORDINALITY AS open (grant_id, remaining, priority, expires_at, place)
),
part AS (
    SELECT user_id, seq, line.amount AS of, part.grant_id, part.amount
    FROM credit_transactions AS line LEFT JOIN LATERAL
         jsonb_to_recordset(line.parts) AS part (grant_id bigint, amount int) ON true
    WHERE line.parts IS NOT NULL
),
opening AS (
    SELECT user_id, sum(amount) AS amount FROM credit_transactions WHERE parts IS NULL
    GROUP BY user_id
),
moved AS (
    SELECT user_id, grant_id, sum(amount) AS amount,
           (array_agg(amount ORDER BY seq))[1] AS first
    FROM part WHERE grant_id IS NOT NULL GROUP BY user_id, grant_id
),
given AS (
    SELECT user_id, id AS grant_id, amount, priority, expires_at,
           coalesce(source = 'opening:' || user_id, false) AS is_opening
    FROM credit_grants
),
finding AS (
    SELECT 'open_grants_make_the_balance' AS rule, user_id, NULL::uuid AS job_id,
           balance::text AS expected, coalesce(remaining, 0)::text AS found
    FROM credits
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
         JOIN credits USING (user_id) LEFT JOIN opening USING (user_id)
    WHERE coalesce(remaining, 0) <> coalesce(moved.amount, 0)
              + CASE WHEN is_opening THEN coalesce(opening.amount, 0) ELSE 0 END
    UNION ALL
    SELECT 'grants_are_what_was_given', user_id, NULL,
           concat(given.amount, ' for grant ', grant_id), coalesce(first, 0)::text
    FROM given LEFT JOIN moved USING (user_id, grant_id)
    WHERE NOT is_opening AND given.amount <> coalesce(first, 0)
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

-- name: audit_jobs
-- Jobs against their ledger rows, and whether they wake. `is_unrefunded`: the user has agreed to a
-- cancel without refund.
WITH job AS (
    SELECT job.user_id, job.id AS job_id, job.status, job.credits_cost AS cost,
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
    GROUP BY job.id
),
finding AS (
    SELECT rule, user_id, job_id, expected, found FROM job CROSS JOIN LATERAL (
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
        WHERE is_unrefunded AND (status <> {CANCELLED} OR refunds > 0)
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
-- An attempt has not ended exactly while it is the current one of an open job.
WITH attempt AS (
    SELECT j.user_id, a.job_id, a.number, a.state, j.status,
           a.state NOT IN {ENDED} AS is_alive, ({current}) IS TRUE AS is_wanted
    FROM job_attempts a JOIN jobs j ON j.id = a.job_id
),
finding AS (
    SELECT 'living_attempts_are_wanted' AS rule, user_id, job_id,
           CASE WHEN is_wanted THEN 'a living attempt' ELSE 'an ended attempt' END AS expected,
           concat('attempt ', number, ' ', state, ', the job is ', status) AS found
    FROM attempt WHERE is_alive <> is_wanted
)
{first_of_each_rule}

-- name: audit_keys
-- What API keys have spent, against the ledger rows of their jobs.
WITH charged AS (
    SELECT job.api_key_id, min(job.user_id::text)::uuid AS user_id, -sum(line.amount) AS credits
    FROM jobs AS job JOIN credit_transactions AS line ON line.job_id = job.id
    WHERE job.api_key_id IS NOT NULL GROUP BY job.api_key_id
),
finding AS (
    SELECT 'key_spending_is_the_sum' AS rule, user_id, NULL::uuid AS job_id,
           coalesce(credits, 0)::text AS expected, coalesce(spent::text, 'nothing') AS found
    FROM key_spending FULL JOIN charged USING (api_key_id)
    WHERE spent IS DISTINCT FROM coalesce(credits, 0)
)
{first_of_each_rule}
