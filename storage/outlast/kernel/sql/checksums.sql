-- name: facts
-- What an execution's checksum covers; the stored checksum comes first.
SELECT crc, number, id, workflow, version, user, agent, customer, mode, visual, trigger, client, labels, metadata, binary_path,
       idempotency_key, request_hash, concurrency_key, on_conflict, priority, retry_of, rollback_of, status, epoch,
       claimed_at, claims, created_at, updated_at, started_at, ended_at, boot_id, started_boottime, parked_us,
       duration_us, cancel_requested_at, cancel_requested_by, stopping_at, supervisor_pid, supervisor_start, supervisor_boot,
       exit_code, signal, signal_certain, reason, compensation, log_lines
FROM executions WHERE number = ?

-- name: stamp
UPDATE executions SET crc = ? WHERE number = ?

-- name: params
SELECT name, type, value, secret, crc FROM params WHERE execution = ?
