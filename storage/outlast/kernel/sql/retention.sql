-- name: pin
INSERT INTO pins(execution, at, by) VALUES (?, ?, ?) ON CONFLICT(execution) DO NOTHING

-- name: unpin
DELETE FROM pins WHERE execution = ?

-- name: exists
SELECT 1 FROM executions WHERE number = ?

-- name: kept
-- Why an execution may not go now, as far as its row can tell; nothing where it may.
SELECT e.ended_at IS NULL AS live,
       EXISTS (SELECT 1 FROM pins p WHERE p.execution = e.number) AS pinned,
       EXISTS (SELECT 1 FROM executions d WHERE d.retry_of = e.number AND d.ended_at IS NULL)
       OR EXISTS (SELECT 1 FROM executions d WHERE d.rollback_of = e.number AND d.ended_at IS NULL) AS needed,
       e.log_lines IS NULL AS unsealed
FROM executions e WHERE e.number = ?

-- name: remove_blocks
DELETE FROM log_blocks WHERE execution = ?

-- name: remove_digest
DELETE FROM log_digests WHERE execution = ?

-- name: remove_levels
DELETE FROM log_levels WHERE execution = ?

-- name: note_removed_log
INSERT INTO removed_logs(execution, at) VALUES (?, ?) ON CONFLICT(execution) DO NOTHING

-- name: removed_log
SELECT at FROM removed_logs WHERE execution = ?

-- name: by_age
-- What is created is older than its end, and the index over that leaves the few that can be meant.
SELECT number FROM executions
WHERE created_at < :completed_before
  AND ended_at < CASE status WHEN 'completed' THEN :completed_before ELSE :others_before END
  AND (:workflow IS NULL OR workflow = :workflow)

-- name: crowded
-- Workflows with more executions than stay. What is live counts too: then fewer are over than that.
SELECT w.id FROM workflows w
JOIN counters c ON c.kind = 'workflow' AND c.key = CAST(w.id AS TEXT)
WHERE c.n > :keep AND (:workflow IS NULL OR w.id = :workflow)

-- name: by_count
-- Of one workflow all but those that count as youngest. Whoever did not complete ages more slowly.
SELECT number FROM executions
WHERE workflow = :workflow AND ended_at IS NOT NULL
ORDER BY (:now - ended_at) / CASE status WHEN 'completed' THEN 1 ELSE :factor END, number DESC
LIMIT -1 OFFSET :keep

-- name: log_bytes
-- What the logs take. SQLite knows the length of a value without reading it.
SELECT COALESCE(sum(length(b.segments) + length(b.data)), 0)
FROM log_blocks b CROSS JOIN executions e ON e.number = b.execution
WHERE :workflow IS NULL OR e.workflow = :workflow

-- name: by_size
-- What is over and has a log; those first that count as oldest.
SELECT e.number FROM log_seals s CROSS JOIN executions e ON e.number = s.execution
WHERE e.ended_at IS NOT NULL AND (:workflow IS NULL OR e.workflow = :workflow)
  AND EXISTS (SELECT 1 FROM log_blocks b WHERE b.execution = e.number)
ORDER BY (:now - e.ended_at) / CASE e.status WHEN 'completed' THEN 1 ELSE :factor END DESC, e.number

-- name: candidate
SELECT e.id, w.workflow_id, e.status, e.ended_at,
       (SELECT COALESCE(sum(length(b.segments) + length(b.data)), 0) FROM log_blocks b WHERE b.execution = e.number)
FROM executions e LEFT JOIN workflows w ON w.id = e.workflow
WHERE e.number = ?

-- name: workflow
SELECT id FROM workflows WHERE workflow_id = ?

-- name: has_log
SELECT 1 FROM log_blocks WHERE execution = ? LIMIT 1
