-- name: by_number
SELECT e.*, w.workflow_id, v.name AS workflow_name, v.type AS workflow_type, v.hash AS version_hash,
       CASE WHEN json_valid(v.definition) THEN v.definition ->> '$.events' END AS events,
       u.name AS user_name, a.name AS agent_name, c.name AS customer_name,
       p.execution IS NOT NULL AS pinned, r.at AS log_removed_at
FROM executions e
JOIN workflow_versions v ON v.id = e.version
JOIN workflows w ON w.id = e.workflow
JOIN users u ON u.id = e.user
LEFT JOIN agents a ON a.id = e.agent
LEFT JOIN customers c ON c.id = e.customer
LEFT JOIN pins p ON p.execution = e.number
LEFT JOIN removed_logs r ON r.execution = e.number
WHERE e.number = ?

-- name: number_of
SELECT number FROM executions WHERE id = ?

-- name: exists
SELECT 1 FROM executions WHERE number = ?

-- name: steps
SELECT s.no, s.step_id, s.name, s.status, s.attempt, s.started_at, s.ended_at, a.exit_code, s.error
FROM steps s
LEFT JOIN attempts a ON a.execution = s.execution AND a.step_no = s.no AND a.attempt = s.attempt
WHERE s.execution = ?
ORDER BY s.no

-- name: approvals
SELECT gate, message, decided_by_kind, status, requested_at, expires_at, on_timeout, decided_at, decided_by, channel,
       comment
FROM approvals WHERE execution = ? ORDER BY id

-- name: artifacts
SELECT f.type, f.name, s.step_id, f.attempt, f.location, f.sha256, f.size, f.content_type, f.metadata, f.created_at
FROM artifacts f
LEFT JOIN steps s ON s.execution = f.execution AND s.no = f.step_no
WHERE f.execution = ? ORDER BY f.id

-- name: results
SELECT step_id, input, output, error FROM steps
WHERE execution = ? AND (input IS NOT NULL OR output IS NOT NULL OR error IS NOT NULL)
ORDER BY no

-- name: params
SELECT name, type, value, secret, crc FROM params WHERE execution = ? ORDER BY name

-- name: payload
SELECT p.plan, p.output, p.leftovers, p.crc, v.definition, v.source, COALESCE(s.late_bytes, 0), COALESCE(s.masked, 0), w.workflow_id,
       e.request_hash
FROM payloads p
JOIN executions e ON e.number = p.execution
JOIN workflow_versions v ON v.id = e.version
JOIN workflows w ON w.id = v.workflow
LEFT JOIN log_seals s ON s.execution = p.execution
WHERE p.execution = ?

-- name: live
-- What a supervisor of ours should look after: no records of what other engines run.
SELECT number, id, status, claimed_at, cancel_requested_at, stopping_at, supervisor_pid, supervisor_start,
       supervisor_boot
FROM executions WHERE ended_at IS NULL AND mode = 'local-run'

-- name: live_row
SELECT number, id, status, claimed_at, cancel_requested_at, stopping_at, supervisor_pid, supervisor_start,
       supervisor_boot
FROM executions WHERE number = ? AND ended_at IS NULL AND mode = 'local-run'

-- name: unsealed
-- Settled executions whose output is still in their run directories.
SELECT number, id FROM executions
WHERE ended_at IS NOT NULL AND log_lines IS NULL AND mode = 'local-run'
ORDER BY number

-- name: finished
SELECT 1 FROM executions WHERE id = ? AND log_lines IS NOT NULL

-- name: ended
SELECT number, status, reason FROM executions WHERE id = ? AND ended_at IS NOT NULL AND mode = 'local-run'

-- name: live_plans
SELECT p.plan FROM payloads p JOIN executions e ON e.number = p.execution WHERE e.ended_at IS NULL AND e.mode = 'local-run'

-- name: meta
SELECT value FROM meta WHERE key = ?

-- name: plan
SELECT plan, output, leftovers, crc FROM payloads WHERE execution = ? AND plan IS NOT NULL

-- name: output_problem
-- Told by the event of the end, which is called like the status.
SELECT json_extract(v.data, '$.output_problem') FROM executions e
JOIN events v ON v.execution = e.number AND v.kind = e.status
WHERE e.number = ? AND e.ended_at IS NOT NULL
ORDER BY v.seq DESC LIMIT 1
