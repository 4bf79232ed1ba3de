-- The SQL statements of `accounts/signup.py`.

-- name: insert_user
-- A taken id or address causes no error, because PostgreSQL would log the address.
INSERT INTO users (id, email, password, is_superuser)
VALUES (%(id)s, %(email)s, %(password)s, false)
ON CONFLICT DO NOTHING
RETURNING id

-- name: change_email
-- Change the address of an active user, if it is still the one that was read and the new one is free.
UPDATE users SET email = %(email)s, updated_at = statement_timestamp()
WHERE id = %(id)s AND email = %(former)s AND is_active
  AND NOT EXISTS (SELECT FROM users WHERE email = %(email)s)
RETURNING id
