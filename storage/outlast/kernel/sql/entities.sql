-- name: insert_user
INSERT INTO users(name) VALUES (?) ON CONFLICT(name) DO NOTHING
-- name: user
SELECT id FROM users WHERE name = ?
-- name: insert_agent
INSERT INTO agents(name) VALUES (?) ON CONFLICT(name) DO NOTHING
-- name: agent
SELECT id FROM agents WHERE name = ?
-- name: insert_customer
INSERT INTO customers(name) VALUES (?) ON CONFLICT(name) DO NOTHING
-- name: customer
SELECT id FROM customers WHERE name = ?

-- name: insert_workflow
INSERT INTO workflows(workflow_id, created_at) VALUES (?, ?) ON CONFLICT(workflow_id) DO NOTHING
-- name: workflow
SELECT id FROM workflows WHERE workflow_id = ?
-- name: insert_version
INSERT INTO workflow_versions(workflow, hash, name, type, definition, source, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT(workflow, hash) DO NOTHING
-- name: version
SELECT id FROM workflow_versions WHERE workflow = ? AND hash = ?
