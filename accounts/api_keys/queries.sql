-- Every raw statement of `accounts/api_keys`; `keys.py` reads them.

-- name: find
-- The key of a digest, if it is good now; whether its use is to be noted; and its user.
SELECT api_keys.id, api_keys.name, scopes, allowed_addresses, extract(epoch FROM expires_at)::float,
       coalesce(last_used_at <= statement_timestamp() - %(interval)s, true),
       {user}
FROM api_keys JOIN users ON users.id = api_keys.user_id
WHERE digest = %(digest)s AND revoked_at IS NULL
  AND (expires_at IS NULL OR expires_at > statement_timestamp())

-- name: note_use
-- Of many that note it at once, one writes.
UPDATE api_keys SET last_used_at = statement_timestamp()
WHERE id = %(id)s
  AND (last_used_at IS NULL OR last_used_at <= statement_timestamp() - %(interval)s)
RETURNING id
