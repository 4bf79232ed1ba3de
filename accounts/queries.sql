-- Raw statements of `accounts/signup.py`.

-- name: insert_user
-- An id or an address that is taken is no error: PostgreSQL would write the address into its log.
INSERT INTO users (id, email, password, is_superuser)
VALUES (%(id)s, %(email)s, %(password)s, false)
ON CONFLICT DO NOTHING
RETURNING id

-- name: change_email
-- Only of an active user whose address is still the one that was read, and only to a free one.
UPDATE users SET email = %(email)s, updated_at = statement_timestamp()
WHERE id = %(id)s AND email = %(former)s AND is_active
  AND NOT EXISTS (SELECT FROM users WHERE email = %(email)s)
RETURNING id
