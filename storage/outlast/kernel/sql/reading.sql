-- name: by_number
SELECT e.*, w.workflow_id, v.name AS workflow_name, v.type AS workflow_type, v.hash AS version_hash,
       u.name AS user_name, a.name AS agent_name, c.name AS customer_name
FROM executions e
JOIN workflow_versions v ON v.id = e.version
JOIN workflows w ON w.id = e.workflow
JOIN users u ON u.id = e.user
LEFT JOIN agents a ON a.id = e.agent
LEFT JOIN customers c ON c.id = e.customer
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

-- name: params
SELECT name, type, value, secret, crc FROM params WHERE execution = ? ORDER BY name

-- name: payload
SELECT p.plan, p.output, p.leftovers, p.crc, v.definition, v.source, COALESCE(s.late_bytes, 0)
FROM payloads p
JOIN executions e ON e.number = p.execution
JOIN workflow_versions v ON v.id = e.version
LEFT JOIN log_seals s ON s.execution = p.execution
WHERE p.execution = ?

-- name: live
SELECT number, id, status, claimed_at, cancel_requested_at, stopping_at, supervisor_pid, supervisor_start,
       supervisor_boot
FROM executions WHERE ended_at IS NULL

-- name: live_row
SELECT number, id, status, claimed_at, cancel_requested_at, stopping_at, supervisor_pid, supervisor_start,
       supervisor_boot
FROM executions WHERE number = ? AND ended_at IS NULL

-- name: unsealed
-- Settled executions whose output is still in their run directories.
SELECT number, id FROM executions WHERE ended_at IS NOT NULL AND log_lines IS NULL ORDER BY number

-- name: finished
SELECT 1 FROM executions WHERE id = ? AND log_lines IS NOT NULL

-- name: live_plans
SELECT p.plan FROM payloads p JOIN executions e ON e.number = p.execution WHERE e.ended_at IS NULL

-- name: meta
SELECT value FROM meta WHERE key = ?

-- name: plan
SELECT plan, output, leftovers, crc FROM payloads WHERE execution = ?
