-- The SQL statements of `accounts/api_keys`, which `keys.py` reads.

-- name: find
-- The valid key of a digest, whether its `last_used_at` must be updated, and its user.
SELECT api_keys.id, api_keys.name, scopes, allowed_addresses, extract(epoch FROM expires_at)::float,
       coalesce(last_used_at <= statement_timestamp() - %(interval)s, true),
       {user}
FROM api_keys JOIN users ON users.id = api_keys.user_id
WHERE digest = %(digest)s AND revoked_at IS NULL
  AND (expires_at IS NULL OR expires_at > statement_timestamp())

-- name: note_use
-- Update `last_used_at`. Of concurrent updates, only one writes.
UPDATE api_keys SET last_used_at = statement_timestamp()
WHERE id = %(id)s
  AND (last_used_at IS NULL OR last_used_at <= statement_timestamp() - %(interval)s)
RETURNING id
