-- name: find
-- One record.
SELECT version, body, texts, checksum FROM record WHERE kind = ? AND tenant = ? AND key = ?;

-- name: list_up
-- Records in key order behind a key.
SELECT key, version, body, texts, checksum FROM record
WHERE kind = :kind AND tenant = :tenant AND key > :after ORDER BY key LIMIT :limit;

-- name: list_down
-- The same from the other end; no key means from the last one.
SELECT key, version, body, texts, checksum FROM record
WHERE kind = :kind AND tenant = :tenant AND (:after = '' OR key < :after)
ORDER BY key DESC LIMIT :limit;

-- name: list_up_where
-- Records with an index text, in key order behind a key.
SELECT i.key, r.version, r.body, r.texts, r.checksum FROM record_index AS i
LEFT JOIN record AS r ON r.kind = i.kind AND r.tenant = i.tenant AND r.key = i.key
WHERE i.kind = :kind AND i.tenant = :tenant AND i.name = :name AND i.text = :text AND i.key > :after
ORDER BY i.key LIMIT :limit;

-- name: list_down_where
-- The same from the other end.
SELECT i.key, r.version, r.body, r.texts, r.checksum FROM record_index AS i
LEFT JOIN record AS r ON r.kind = i.kind AND r.tenant = i.tenant AND r.key = i.key
WHERE i.kind = :kind AND i.tenant = :tenant AND i.name = :name AND i.text = :text
AND (:after = '' OR i.key < :after)
ORDER BY i.key DESC LIMIT :limit;

-- name: count
-- How many records there are of a kind.
SELECT count(*) FROM record WHERE kind = ? AND tenant = ?;

-- name: count_where
-- How many records have an index text.
SELECT count(*) FROM record_index WHERE kind = ? AND tenant = ? AND name = ? AND text = ?;

-- name: tenants
-- Tenants with records of a kind: one seek for each, not a scan over its records.
WITH RECURSIVE tenants (tenant) AS (
    SELECT min(tenant) FROM record WHERE kind = :kind
    UNION ALL
    SELECT (SELECT min(r.tenant) FROM record AS r WHERE r.kind = :kind AND r.tenant > t.tenant)
    FROM tenants AS t WHERE t.tenant IS NOT NULL
)
SELECT tenant FROM tenants WHERE tenant IS NOT NULL;

-- name: put
-- Add or replace a record.
INSERT INTO record (kind, tenant, key, version, body, texts, checksum)
VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (kind, tenant, key) DO UPDATE
SET version = excluded.version, body = excluded.body, texts = excluded.texts,
    checksum = excluded.checksum;

-- name: delete
-- Remove a record; its index texts go with it.
DELETE FROM record WHERE kind = ? AND tenant = ? AND key = ?;

-- name: taken
-- Whether another record holds a text.
SELECT 1 FROM record_index
WHERE kind = ? AND tenant = ? AND name = ? AND text = ? AND key <> ? LIMIT 1;

-- name: add_text
-- Let a record be found by a text.
INSERT INTO record_index (kind, tenant, name, text, key, lone) VALUES (?, ?, ?, ?, ?, ?);

-- name: drop_text
-- Let it be found by that text no more.
DELETE FROM record_index WHERE kind = ? AND tenant = ? AND name = ? AND text = ? AND key = ?;

-- name: commits
-- How many group commits there were.
SELECT commits FROM progress;

-- name: count_commit
-- One more.
UPDATE progress SET commits = commits + 1 RETURNING commits;

-- name: every_record
-- All records, for checking them.
SELECT kind, tenant, key, version, body, texts, checksum FROM record;

-- name: every_text
-- All index texts, for checking them.
SELECT kind, tenant, name, text, key, lone FROM record_index;
