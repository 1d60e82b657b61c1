-- name: all_executions
SELECT number FROM executions ORDER BY number
-- name: all_params
SELECT execution, name, type, value, secret, crc FROM params
-- name: all_payloads
SELECT execution, plan, output, leftovers, crc FROM payloads
-- name: all_blocks
SELECT execution, first_line, lines, first_at, last_at, raw_bytes, codec, segments, data, crc FROM log_blocks
-- name: live_ids
SELECT number, id FROM executions WHERE ended_at IS NULL AND mode = 'local-run'
-- name: without_payload
SELECT number FROM executions WHERE number NOT IN (SELECT execution FROM payloads)
-- name: highest
SELECT COALESCE(max(number), 0) FROM executions
-- name: count
SELECT count(*) FROM executions
