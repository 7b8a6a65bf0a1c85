-- name: append
-- Add a batch.
INSERT INTO batch (first, length, received_to, body, checksum) VALUES (?, ?, ?, ?, ?);

-- name: receive
-- Remember a QoS 2 packet id.
INSERT OR IGNORE INTO qos_two (session, packet_id) VALUES (?, ?);

-- name: release
-- Forget it.
DELETE FROM qos_two WHERE session = ? AND packet_id = ?;

-- name: unreleased
-- The QoS 2 packet ids of a session.
SELECT packet_id FROM qos_two WHERE session = ? ORDER BY packet_id;

-- name: forget_session
-- Drop them all.
DELETE FROM qos_two WHERE session = ?;

-- name: read
-- Batches from a position on.
SELECT first, length, body, checksum FROM batch WHERE first >= ? ORDER BY first LIMIT ?;

-- name: holding
-- Where the batch that holds a position begins.
SELECT first, length FROM batch WHERE first <= ? ORDER BY first DESC LIMIT 1;

-- name: before
-- The checksum of the batch that ends before a position.
SELECT checksum FROM batch WHERE first < ? ORDER BY first DESC LIMIT 1;

-- name: last
-- The newest batch.
SELECT first, length, received_to, checksum FROM batch ORDER BY first DESC LIMIT 1;

-- name: nth_last
-- Where the batch begins that has so many behind it, or the oldest.
SELECT min(first) FROM (
    SELECT first FROM batch INDEXED BY batch_span ORDER BY first DESC LIMIT 1 + ?
);

-- name: span
-- First and last position, and how many messages there are; without gaps they agree.
SELECT min(first), max(first + length - 1), sum(length) FROM batch INDEXED BY batch_span;

-- name: gap
-- The first place where positions are missing.
SELECT expected, first FROM (
    SELECT first, lag(first + length) OVER (ORDER BY first) AS expected
    FROM batch INDEXED BY batch_span
) WHERE first <> expected LIMIT 1;

-- name: reached
-- The first batch up to which a moment was reached.
SELECT first, length FROM batch INDEXED BY batch_span
WHERE first >= ? AND received_to >= ? ORDER BY first LIMIT 1;

-- name: trimmed
-- What was forgotten on purpose.
SELECT last, received_to, checksum FROM trimmed;

-- name: oldest
-- The oldest batches, for forgetting them.
SELECT first, length, received_to, checksum FROM batch
WHERE first + length <= ? ORDER BY first LIMIT ?;

-- name: forget
-- Forget batches up to a position.
DELETE FROM batch WHERE first <= ?;

-- name: note_trimmed
-- Remember up to where.
UPDATE trimmed SET last = ?, received_to = ?, checksum = ?;
