-- name: earlier
SELECT number, mode FROM executions WHERE id = ?

-- name: insert
INSERT INTO executions(number, id, workflow, version, user, agent, customer, mode, trigger, client, labels, metadata,
                       request_hash, status, created_at, updated_at, started_at, ended_at, duration_us, reason,
                       log_lines)
SELECT :number, :id, v.workflow, v.id, :user, :agent, :customer, :mode, :trigger, :client, :labels, :metadata,
       :request_hash, :status, :created_at, :now, :started_at, :ended_at, :duration, :reason, 0
FROM workflow_versions v WHERE v.id = :version

-- name: insert_payload
INSERT INTO payloads(execution, output, crc) VALUES (?, ?, ?)

-- name: insert_step
INSERT INTO steps(execution, no, step_id, name, status, started_at, ended_at, input, output, error)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: insert_artifact
INSERT INTO artifacts(execution, step_no, type, name, location, size, content_type, metadata, created_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
