-- name: by_idempotency_key
SELECT number, id, request_hash FROM executions WHERE user = ? AND idempotency_key = ?

-- name: same_key
-- Live executions that hold or await a concurrency key.
SELECT number, id FROM executions WHERE concurrency_key = ? AND ended_at IS NULL ORDER BY number

-- name: highest_number
-- AUTOINCREMENT's own memory, so that deleting the newest execution does not free its number.
SELECT COALESCE((SELECT seq FROM sqlite_sequence WHERE name = 'executions'), 0)

-- name: taken
SELECT 1 FROM executions WHERE number = ?

-- name: insert
-- What it retries may be gone: deleted, or unknown to a restored backup.
INSERT INTO executions(number, id, workflow, version, user, agent, customer, trigger, client, labels, metadata,
                       binary_path, idempotency_key, request_hash, concurrency_key, on_conflict, retry_of, status,
                       created_at, updated_at)
SELECT :number, :id, v.workflow, v.id, :user, :agent, :customer, :trigger, :client, :labels, :metadata,
       :binary_path, :idempotency_key, :request_hash, :concurrency_key, :on_conflict,
       (SELECT number FROM executions WHERE number = :retry_of), 'pending', :created_at, :now
FROM workflow_versions v WHERE v.id = :version

-- name: insert_payload
INSERT INTO payloads(execution, plan, crc) VALUES (?, ?, ?)
-- name: insert_param
INSERT INTO params(execution, name, type, value, secret, crc) VALUES (?, ?, ?, ?, ?, ?)
-- name: insert_step
INSERT INTO steps(execution, no, step_id, name, status) VALUES (?, ?, ?, ?, 'pending')

-- name: for_cancel
SELECT status, claimed_at, id, mode <> 'local-run' FROM executions WHERE number = ?

-- name: cancel_unclaimed
UPDATE executions SET status = 'cancelled', ended_at = max(:now, created_at), updated_at = :now, duration_us = 0,
       cancel_requested_at = :now, cancel_requested_by = :by, reason = 'cancelled by ' || :by || ' before it started'
WHERE number = :number AND status = 'pending' AND claimed_at IS NULL

-- name: cancel_steps
UPDATE steps SET status = 'cancelled', ended_at = :now WHERE execution = :number AND status = 'pending'

-- name: request_cancel
UPDATE executions SET cancel_requested_at = :now, cancel_requested_by = :by, updated_at = :now
WHERE number = :number AND cancel_requested_at IS NULL

-- name: lose
UPDATE executions SET status = 'lost', ended_at = max(:now, COALESCE(started_at, created_at)), updated_at = :now,
       duration_us = max(0, :now - COALESCE(started_at, :now)), reason = :reason
WHERE number = :number AND ended_at IS NULL

-- name: lose_attempts
UPDATE attempts SET status = 'lost', ended_at = :now, reason = :reason WHERE execution = :number AND status = 'running'

-- name: lose_steps
UPDATE steps SET status = 'lost', ended_at = :now, error = :reason WHERE execution = :number AND status = 'running'

-- name: for_delete
SELECT id, status, mode <> 'local-run' FROM executions WHERE number = ?

-- name: descended
-- Their retry_of or rollback_of becomes NULL, which their checksums cover.
SELECT number FROM executions WHERE retry_of = :number
UNION ALL
SELECT number FROM executions WHERE rollback_of = :number

-- name: delete
DELETE FROM executions WHERE number = ?

-- name: set_max_running
UPDATE meta SET value = ? WHERE key = 'max_running'
