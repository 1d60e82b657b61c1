-- name: digest
SELECT format, lines, data, crc FROM log_digests WHERE execution = ?

-- name: keep_digest
INSERT INTO log_digests(execution, format, lines, data, crc) VALUES (?, ?, ?, ?, ?)
ON CONFLICT(execution) DO UPDATE
SET format = excluded.format, lines = excluded.lines, data = excluded.data, crc = excluded.crc

-- name: sealed_lines
-- Nothing of a log that was removed.
SELECT s.lines FROM log_seals s
WHERE s.execution = ? AND NOT EXISTS (SELECT 1 FROM removed_logs r WHERE r.execution = s.execution)

-- name: levels_of_block
SELECT format, errors, warnings, crc FROM log_levels WHERE execution = ? AND first_line = ?

-- name: keep_levels
INSERT INTO log_levels(execution, first_line, format, errors, warnings, crc) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT(execution, first_line) DO UPDATE
SET format = excluded.format, errors = excluded.errors, warnings = excluded.warnings, crc = excluded.crc
