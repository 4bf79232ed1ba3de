-- The SQL statements of `credits`, which `credits/sql.py` reads.
--
-- A trigger maintains the open grants on their account's row (docs/decisions/0036). So a movement
-- locks only that row, and reads nothing that is older than the lock.

-- name: open
-- The open grants of an account, as rows.
unnest(grant_ids, grant_remaining, grant_priorities, grant_expires_at)
    WITH ORDINALITY AS open (grant_id, remaining, priority, expires_at, place)

-- name: owed
-- The debt of each grant: what was revoked or clawed back, but had been spent.
owed AS (
    SELECT part.grant_id, sum(coalesce(part.wanted, 0) + part.amount) AS amount
    FROM credit_transactions AS line,
         jsonb_to_recordset(line.parts) AS part (grant_id bigint, amount int, wanted int)
    WHERE line.user_id = %(user_id)s AND type = {ADJUSTMENT} AND line.amount <= 0
    GROUP BY part.grant_id HAVING sum(coalesce(part.wanted, 0) + part.amount) > 0
)

-- name: withdrawn
-- What was clawed back of each grant, except by staff, without forgiven debt.
withdrawn AS (
    SELECT part.grant_id, sum(part.wanted) AS amount
    FROM credit_transactions AS line,
         jsonb_to_recordset(line.parts) AS part (grant_id bigint, wanted int, by uuid)
    WHERE line.user_id = %(user_id)s AND type = {ADJUSTMENT}
      AND part.grant_id = ANY (%(grant_ids)s::bigint[]) AND part.by IS NULL
    GROUP BY part.grant_id HAVING sum(part.wanted) > 0
)

-- name: move
-- The end of the statements below: it updates the account and writes its ledger row. `movement`
-- contains the parts of grants that move. Without parts, nothing moves.
account AS (
    UPDATE credits
    SET balance = balance + movement.amount, seq = seq + 1, updated_at = now(),
        wanted_parts = movement.parts
    FROM movement WHERE credits.user_id = movement.user_id AND movement.parts IS NOT NULL
    RETURNING credits.user_id, balance, seq, movement.amount, latest_parts
)
INSERT INTO credit_transactions
    (user_id, seq, amount, balance_after, type, description, job_id, parts)
SELECT user_id, seq, amount, balance, %(type)s, %(description)s, %(job_id)s::uuid, latest_parts
FROM account
RETURNING amount, balance_after

-- name: lock
-- Lock the account, so that the next statement sees all earlier movements.
SELECT balance, cardinality(grant_ids) FROM credits WHERE user_id = %(user_id)s FOR NO KEY UPDATE

-- name: grant
-- Grant credits, at most once for each source.
WITH made AS (
    INSERT INTO credit_grants
        (user_id, kind, amount, priority, expires_at, source, description, by_id)
    VALUES (%(user_id)s, %(kind)s, %(amount)s, %(priority)s, %(expires_at)s, %(source)s,
            %(description)s, %(by)s)
    ON CONFLICT (source) DO NOTHING
    RETURNING user_id, id, amount
),
movement AS (
    SELECT user_id, amount,
           jsonb_build_array(jsonb_build_object('grant_id', id, 'amount', amount)) AS parts
    FROM made
),
{move}

-- name: refund
-- Return credits to the grants from which the job drew them, the last first. Credits of an expired
-- grant expire again at once. With a `grace`, they go to the grace grant of the day instead, except
-- those that pay a debt, and those that had a grace before. Credits drawn before grants existed go
-- to a grant that never expires. (Earlier releases wrote `refund:` for `grace:`.)
WITH {owed},
drawn AS (
    SELECT grant_id, -part.amount AS amount,
           sum(-part.amount) OVER (ORDER BY place DESC) + part.amount AS before
    FROM credit_transactions AS usage, ROWS FROM (
        jsonb_to_recordset(usage.parts) AS (grant_id bigint, amount int)
    ) WITH ORDINALITY AS part (grant_id, amount, place)
    WHERE usage.job_id = %(job_id)s AND user_id = %(user_id)s AND type = {USAGE}
),
back AS (
    SELECT grant_id, least(
               drawn.amount, %(amount)s - before,
               CASE WHEN %(grace)s::interval IS NOT NULL AND expires_at <= statement_timestamp()
                         AND (source ~ '^(grace|refund):') IS NOT TRUE
                    THEN coalesce(owed.amount, 0) END
           ) AS amount
    FROM drawn JOIN credit_grants ON credit_grants.id = grant_id LEFT JOIN owed USING (grant_id)
    WHERE before < %(amount)s
),
late AS (
    SELECT %(amount)s - coalesce((SELECT sum(amount) FROM back), 0)::int AS amount,
           CASE WHEN EXISTS (TABLE drawn)
                THEN date_trunc('day', statement_timestamp()
                         + coalesce(%(grace)s::interval, interval '0'), 'UTC') + interval '1 day'
           END AS expires_at
),
wanted AS (
    SELECT amount, expires_at,
           concat_ws(':', CASE WHEN expires_at IS NULL THEN 'refund' ELSE 'grace' END,
                     %(user_id)s::text,
                     to_char(expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')) AS source
    FROM late WHERE amount > 0
),
made AS (
    INSERT INTO credit_grants (user_id, kind, amount, expires_at, source, description)
    SELECT %(user_id)s, {REFUND_GRANT}, amount, expires_at, source, %(late)s FROM wanted
    ON CONFLICT (source) DO NOTHING
    RETURNING id
),
parts AS (
    SELECT grant_id, amount FROM back WHERE amount > 0
    UNION ALL SELECT id, amount FROM made, wanted
    UNION ALL SELECT id, wanted.amount FROM wanted JOIN credit_grants USING (source)
),
movement AS (
    SELECT %(user_id)s::uuid AS user_id, sum(amount)::int AS amount,
           jsonb_agg(jsonb_build_object('grant_id', grant_id, 'amount', amount)
                     ORDER BY grant_id) AS parts
    FROM parts
),
{move}

-- name: revoke
-- Revoke an amount of grants, or all of them, the newest first. At most what remains is taken,
-- expired or not. The ledger row also has the requested amount: the difference is a debt.
WITH wanted_before AS (
    SELECT part.grant_id, sum(part.wanted) AS amount
    FROM credit_transactions AS line,
         jsonb_to_recordset(line.parts) AS part (grant_id bigint, wanted int)
    WHERE line.user_id = %(user_id)s AND type = {ADJUSTMENT}
      AND part.grant_id = ANY (%(grant_ids)s::bigint[])
    GROUP BY part.grant_id
),
given AS (
    SELECT id AS grant_id, coalesce(remaining, 0) AS remaining,
           greatest(given.amount - coalesce(wanted_before.amount, 0), remaining) AS most,
           coalesce(%(amount)s::int, 2147483647) AS asked
    FROM credit_grants AS given LEFT JOIN wanted_before ON wanted_before.grant_id = id
         LEFT JOIN (
             SELECT grant_id, remaining FROM credits, {open} WHERE user_id = %(user_id)s
         ) AS still ON still.grant_id = id
    WHERE id = ANY (%(grant_ids)s::bigint[])
),
taken AS (
    SELECT *, least(remaining, greatest(0, asked - (sum(remaining) OVER newer - remaining)))
                  AS taken
    FROM given WINDOW newer AS (ORDER BY grant_id DESC)
),
wanted AS (
    SELECT grant_id, taken, taken + least(most - taken, greatest(
               0, asked - sum(taken) OVER () - (sum(most - taken) OVER newer - (most - taken))
           )) AS amount
    FROM taken WINDOW newer AS (ORDER BY grant_id DESC)
),
movement AS (
    SELECT %(user_id)s::uuid AS user_id, -sum(taken)::int AS amount,
           jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
               'grant_id', grant_id, 'amount', -taken, 'wanted', amount, 'by', %(by)s::uuid
           )) ORDER BY grant_id) AS parts
    FROM wanted WHERE amount > 0
),
{move}

-- name: grant_balance
-- What clawbacks have left of grants, and the debt of these grants.
WITH {owed}, {withdrawn}
SELECT coalesce(sum(given.amount - coalesce(withdrawn.amount, 0)), 0)::int,
       coalesce(sum(least(owed.amount, withdrawn.amount))
                    FILTER (WHERE owed.amount > 0 AND withdrawn.amount > 0), 0)::int
FROM credit_grants AS given
     LEFT JOIN withdrawn ON withdrawn.grant_id = id LEFT JOIN owed ON owed.grant_id = id
WHERE id = ANY (%(grant_ids)s::bigint[])

-- name: forgive
-- Forgive the debt of clawbacks: the forgiven amount is subtracted from what was requested.
WITH {owed}, {withdrawn},
free AS (
    SELECT grant_id, least(owed.amount, withdrawn.amount) AS most
    FROM owed JOIN withdrawn USING (grant_id)
),
released AS (
    SELECT grant_id, least(
               most, %(amount)s - (sum(most) OVER (ORDER BY grant_id) - most)) AS amount
    FROM free
),
movement AS (
    SELECT %(user_id)s::uuid AS user_id, 0 AS amount,
           jsonb_agg(jsonb_build_object('grant_id', grant_id, 'amount', 0, 'wanted', -amount)
                     ORDER BY grant_id) AS parts
    FROM released WHERE amount > 0
),
{move}

-- name: collect
-- Collect the debt of revoked grants from credits that a refund has returned.
WITH {owed},
movement AS (
    SELECT user_id, -sum(least(remaining, owed.amount))::int AS amount,
           jsonb_agg(jsonb_build_object(
               'grant_id', grant_id, 'amount', -least(remaining, owed.amount)) ORDER BY place
           ) AS parts
    FROM credits, {open} JOIN owed USING (grant_id)
    WHERE credits.user_id = %(user_id)s GROUP BY user_id
),
{move}

-- name: expire
-- Write one ledger row for each of `limit` accounts with expired credits. Accounts that are locked
-- are skipped until the next run.
WITH due AS (
    SELECT user_id, grant_ids, grant_remaining, grant_priorities, grant_expires_at FROM credits
    WHERE credits_next_expiry(grant_expires_at) <= statement_timestamp()
    ORDER BY credits_next_expiry(grant_expires_at) LIMIT %(limit)s
    FOR NO KEY UPDATE SKIP LOCKED
),
movement AS (
    SELECT user_id, -sum(remaining)::int AS amount,
           jsonb_agg(jsonb_build_object('grant_id', grant_id, 'amount', -remaining)
                     ORDER BY place) AS parts
    FROM due, {open} WHERE expires_at <= statement_timestamp() GROUP BY user_id
),
{move}

-- name: count_expired
SELECT count(*) FROM credits
WHERE credits_next_expiry(grant_expires_at) <= statement_timestamp()

-- name: spendable
-- The balance, without expired credits whose ledger row is not written yet.
SELECT coalesce(sum(remaining) FILTER (
           WHERE expires_at IS NULL OR expires_at > statement_timestamp()), 0)::int
FROM credits LEFT JOIN {open} ON true WHERE user_id = %(user_id)s GROUP BY user_id

-- name: open_grants
-- The grants that can be spent, in the order in which they burn.
SELECT grant_id, kind, amount, remaining, open.priority, open.expires_at, description, created_at
FROM credits, {open} JOIN credit_grants ON credit_grants.id = grant_id
WHERE credits.user_id = %(user_id)s
  AND (open.expires_at IS NULL OR open.expires_at > statement_timestamp())
ORDER BY place

-- name: balance_at
-- The balance after the last row that was written by a time. It is a binary search by `seq`, which
-- has an index and rises with the time of the rows, except for moments.
WITH RECURSIVE halved (low, high) AS (
    SELECT 0::bigint, seq + 1 FROM credits WHERE user_id = %(user_id)s
    UNION ALL
    SELECT CASE WHEN created_at <= %(at)s THEN middle ELSE low END,
           CASE WHEN created_at <= %(at)s THEN high ELSE middle END
    FROM halved
         CROSS JOIN LATERAL (SELECT (low + high) / 2 AS middle) AS next
         JOIN credit_transactions ON user_id = %(user_id)s AND seq = middle
    WHERE high - low > 1
)
SELECT coalesce(balance_after, 0)
FROM halved LEFT JOIN credit_transactions ON user_id = %(user_id)s AND seq = low
WHERE high - low = 1

-- name: charge
-- Two CTEs for statements of other apps; `credits.sql.build_charge_ctes` fills {{…}}. The trigger
-- draws the credits from the grants.
{{account}} AS (
    UPDATE credits
    SET balance = balance - (SELECT sum(cost) FROM {{charges}}),
        seq = seq + (SELECT count(*) FROM {{charges}}), updated_at = now()
    WHERE user_id = {{user_id}} AND EXISTS (TABLE {{charges}}) AND {{when}}
    RETURNING user_id, balance, seq, latest_parts
),
{{usage}} AS (
    INSERT INTO credit_transactions
        (user_id, seq, amount, balance_after, type, description, job_id, parts)
    SELECT account.user_id,
           account.seq - count(*) OVER () + row_number() OVER so_far,
           -charge.cost,
           account.balance + sum(charge.cost) OVER () - sum(charge.cost) OVER so_far,
           {USAGE}, charge.description, charge.job_id,
           CASE count(*) OVER () WHEN 1 THEN account.latest_parts END
    FROM {{account}} AS account, {{charges}} AS charge
    WINDOW so_far AS (ORDER BY charge.place)
)

-- name: spend
-- A CTE for statements of other apps; `credits.sql.build_spending_cte` fills {{…}}. It follows the
-- CTE of the account, whose lock orders all spending of a user's keys. A clock that is slightly
-- behind does not start an earlier day again.
{{spending}} AS (
    UPDATE key_spending AS counted
    SET spent = counted.spent + charge.credits,
        spent_today = counted.spent_today * (counted.day >= charge.day)::int + charge.credits,
        day = greatest(counted.day, charge.day)
    FROM (
        SELECT sum(cost) AS credits, (now() AT TIME ZONE 'UTC')::date AS day FROM {{charges}}
    ) AS charge
    WHERE counted.api_key_id = {{api_key_id}} AND EXISTS (TABLE {{account}})
      AND (counted.credits_in_all IS NULL
           OR counted.spent + charge.credits <= counted.credits_in_all)
      AND (counted.credits_per_day IS NULL
           OR counted.spent_today * (counted.day >= charge.day)::int + charge.credits
              <= counted.credits_per_day)
    RETURNING counted.api_key_id
)

-- name: refund_spending
-- Subtract a refund from the spending: from the total, and from the day if it was charged today.
UPDATE key_spending
SET spent = spent - %(amount)s,
    spent_today = spent_today - CASE
        WHEN day = (%(charged_at)s::timestamptz AT TIME ZONE 'UTC')::date THEN %(amount)s ELSE 0 END
WHERE api_key_id = %(api_key_id)s
RETURNING api_key_id
