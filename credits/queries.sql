-- Every raw statement of `credits`; `credits/sql.py` reads them.

-- name: add
-- Adds to a balance and writes the ledger row; the row lock orders all movements of one account. No
-- row comes back where there is no account.
WITH account AS (
    UPDATE credits SET balance = balance + %(amount)s, seq = seq + 1, updated_at = now()
    WHERE user_id = %(user_id)s RETURNING user_id, balance, seq
)
INSERT INTO credit_transactions (user_id, seq, amount, balance_after, type, description, job_id)
SELECT user_id, seq, %(amount)s, balance, %(type)s, %(description)s, %(job_id)s FROM account
RETURNING balance_after

-- name: charge
-- Two CTEs for a statement of another room: see `credits.sql.charge`, which fills {{…}}.
{{account}} AS (
    UPDATE credits
    SET balance = balance - (SELECT sum(cost) FROM {{charges}}),
        seq = seq + (SELECT count(*) FROM {{charges}}), updated_at = now()
    WHERE user_id = {{user_id}} AND EXISTS (TABLE {{charges}}) AND {{when}}
    RETURNING user_id, balance, seq
),
{{usage}} AS (
    INSERT INTO credit_transactions (user_id, seq, amount, balance_after, type, description, job_id)
    SELECT account.user_id,
           account.seq - count(*) OVER () + row_number() OVER so_far,
           -charge.cost,
           account.balance + sum(charge.cost) OVER () - sum(charge.cost) OVER so_far,
           {USAGE}, charge.description, charge.job_id
    FROM {{account}} AS account, {{charges}} AS charge
    WINDOW so_far AS (ORDER BY charge.place)
)
