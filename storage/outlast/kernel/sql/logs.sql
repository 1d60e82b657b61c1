-- name: seal
SELECT COALESCE(s.lines, 0), s.position, e.ended_at IS NOT NULL, e.log_lines
FROM executions e LEFT JOIN log_seals s ON s.execution = e.number
WHERE e.number = ?

-- name: move_seal
INSERT INTO log_seals(execution, lines, position, late_bytes, masked) VALUES (?, ?, ?, ?, ?)
ON CONFLICT(execution) DO UPDATE SET lines = excluded.lines, position = excluded.position,
  late_bytes = excluded.late_bytes, masked = masked + excluded.masked

-- name: insert_block
INSERT INTO log_blocks(execution, first_line, lines, first_at, last_at, raw_bytes, codec, segments, data, crc, events)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: finish
UPDATE executions SET log_lines = ? WHERE number = ?

-- name: block_with_line
-- The block that holds a line, or the last one before it.
SELECT id, first_line, lines, first_at, last_at FROM log_blocks
WHERE execution = ? AND first_line <= ?
ORDER BY first_line DESC LIMIT 1

-- name: blocks_after
SELECT id, first_line, lines, first_at, last_at FROM log_blocks
WHERE execution = ? AND first_line > ? AND first_line <= ?
ORDER BY first_line LIMIT ?

-- name: blocks_before
SELECT id, first_line, lines, first_at, last_at FROM log_blocks
WHERE execution = ? AND first_line <= ?
ORDER BY first_line DESC LIMIT ?

-- name: blocks_with_events
SELECT id, first_line, lines, first_at, last_at FROM log_blocks
WHERE execution = ? AND first_line > ? AND events > 0
ORDER BY first_line LIMIT ?

-- name: load_block
-- Data comes last: SQLite follows overflow pages only as far as the columns asked for.
SELECT first_line, lines, first_at, last_at, raw_bytes, codec, segments, data, crc FROM log_blocks WHERE id = ?
