-- name: record
INSERT INTO events(execution, at, kind, step_no, attempt, data) VALUES (?, ?, ?, ?, ?, ?)
