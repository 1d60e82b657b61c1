-- name: look
SELECT e.number, e.status, e.epoch, e.claimed_at, e.cancel_requested_by, e.stopping_at, e.started_at, e.started_boottime, e.boot_id,
       e.parked_us, (SELECT COALESCE(a.pid_boot, e.boot_id) FROM attempts a WHERE a.execution = e.number LIMIT 1),
       (SELECT a.pid FROM attempts a WHERE a.execution = e.number LIMIT 1), p.plan, p.output, p.leftovers, p.crc
FROM executions e JOIN payloads p ON p.execution = e.number
WHERE e.id = ? AND e.mode = 'local-run'

-- name: begin
-- Compare and swap: of two supervisors that saw the same epoch, one starts the child.
UPDATE executions SET status = 'running', epoch = epoch + 1, started_at = :now, started_boottime = :boottime,
       boot_id = :boot_id, supervisor_pid = :pid, supervisor_start = :pid_start, supervisor_boot = :pid_boot,
       updated_at = :now
WHERE number = :number AND status = 'pending' AND claimed_at IS NOT NULL AND epoch = :epoch

-- name: adopt
UPDATE executions SET epoch = epoch + 1, stopping_at = CASE WHEN stopping_at IS NULL THEN NULL ELSE :now END,
       supervisor_pid = :pid, supervisor_start = :pid_start,
       supervisor_boot = :pid_boot, updated_at = :now
WHERE number = :number AND status IN ('running', 'rolling_back') AND epoch = :epoch AND mode = 'local-run'

-- name: start_step
UPDATE steps SET status = 'running', attempt = :attempt, started_at = COALESCE(started_at, :now)
WHERE execution = :number AND no = :no

-- name: start_attempt
INSERT INTO attempts(execution, step_no, attempt, status, started_at) VALUES (?, ?, ?, 'running', ?)
ON CONFLICT(execution, step_no, attempt) DO NOTHING

-- name: record_child
UPDATE attempts SET pid = ?, pid_start = ?, pid_boot = ? WHERE execution = ? AND step_no = ? AND attempt = ?

-- name: current
SELECT 1 FROM executions WHERE number = ? AND epoch = ? AND status IN ('running', 'rolling_back')

-- name: for_settling
SELECT e.status, e.started_at, e.started_boottime, e.boot_id, e.created_at
FROM executions e JOIN payloads p ON p.execution = e.number
WHERE e.number = ? AND e.epoch = ? AND e.ended_at IS NULL

-- name: settle
UPDATE executions SET status = :status, ended_at = :now, updated_at = :now, duration_us = :duration,
       exit_code = :exit_code, signal = :signal, signal_certain = :signal_certain, reason = :reason
WHERE number = :number AND ended_at IS NULL

-- name: settle_attempts
UPDATE attempts SET status = :status, ended_at = :now, exit_code = :exit_code, signal = :signal,
       signal_certain = :signal_certain, reason = :reason
WHERE execution = :number AND status = 'running'

-- name: settle_steps
UPDATE steps SET status = :status, ended_at = :now, output = :output, error = :error
WHERE execution = :number AND status = 'running'

-- name: cancel_pending_steps
UPDATE steps SET status = 'cancelled', ended_at = :now WHERE execution = :number AND status = 'pending'

-- name: settle_payload
UPDATE payloads SET plan = :plan, output = :output, leftovers = :leftovers, crc = :crc WHERE execution = :number

-- name: stopping
UPDATE executions SET stopping_at = :now, updated_at = :now
WHERE number = :number AND epoch = :epoch AND ended_at IS NULL

-- name: request
SELECT cancel_requested_by, epoch = ? AND ended_at IS NULL FROM executions WHERE number = ?
