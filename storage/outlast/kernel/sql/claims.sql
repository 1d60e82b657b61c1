-- name: free_slots
SELECT (SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'max_running')
     - (SELECT count(*) FROM executions
        WHERE ended_at IS NULL AND mode = 'local-run'
          AND (status IN ('running', 'rolling_back') OR claimed_at IS NOT NULL AND status = 'pending'))

-- name: slots
SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'max_running'

-- name: waiting
SELECT concurrency_key FROM executions
WHERE number = ? AND status = 'pending' AND claimed_at IS NULL AND mode = 'local-run'

-- name: first_of_key
-- Who has a concurrency key now, or else whom it goes to next.
SELECT number FROM executions WHERE concurrency_key = ? AND ended_at IS NULL
ORDER BY status = 'pending' AND claimed_at IS NULL, priority DESC, number LIMIT 1

-- name: held_keys
-- A parked execution keeps its key though it holds no slot.
SELECT concurrency_key FROM executions
WHERE concurrency_key IS NOT NULL AND ended_at IS NULL AND NOT (status = 'pending' AND claimed_at IS NULL)

-- name: queue
-- What is only recorded is run elsewhere and waits for nothing here.
SELECT number, id, concurrency_key FROM executions
WHERE ended_at IS NULL AND status = 'pending' AND claimed_at IS NULL AND mode = 'local-run'
ORDER BY priority DESC, number

-- name: claim
UPDATE executions SET claimed_at = ?, claims = 1, updated_at = ? WHERE number = ?

-- name: claimed
SELECT id, claims FROM executions WHERE number = ? AND claimed_at = ? AND status = 'pending'

-- name: reclaim
UPDATE executions SET claimed_at = ?, claims = claims + 1, updated_at = ? WHERE number = ?

-- name: give_up
UPDATE executions SET status = 'failed', ended_at = max(:now, created_at), updated_at = :now, duration_us = 0,
       reason = 'never started'
WHERE number = :number

-- name: give_up_steps
UPDATE steps SET status = 'cancelled', ended_at = :now WHERE execution = :number AND status = 'pending'
