-- name: numbers
-- {where} is made of the conditions in storage/history.py; the newest come first, by key. Keys alone: what is passed
-- over on the way to a far page costs its entry in an index and nothing else.
SELECT e.number FROM executions e WHERE {where} ORDER BY e.number DESC LIMIT :limit OFFSET :offset

-- name: numbers_by_text
-- The words come first: few executions have them. CROSS: in this order, whatever else is asked for.
SELECT e.number FROM execution_texts t CROSS JOIN executions e ON e.number = t.rowid
WHERE {where} {before} ORDER BY t.rowid DESC LIMIT :limit OFFSET :offset

-- name: count_by_text
SELECT count(*) FROM execution_texts t CROSS JOIN executions e ON e.number = t.rowid WHERE {where}

-- name: oldest_lasting
-- Nothing with a lower number was still going on at :lasting.
SELECT min(COALESCE((SELECT min(number) FROM executions WHERE ended_at >= :lasting), 0x7fffffffffffffff),
           COALESCE((SELECT min(number) FROM executions WHERE ended_at IS NULL), 0x7fffffffffffffff))

-- name: row
-- LEFT: a damaged row that has nothing to be joined with must not go unnoticed.
SELECT e.number, e.id, w.workflow_id, v.name, e.status, e.created_at, e.started_at, e.ended_at, e.duration_us,
       e.exit_code, e.reason, EXISTS (SELECT 1 FROM pins p WHERE p.execution = e.number)
FROM executions e
LEFT JOIN workflow_versions v ON v.id = e.version
LEFT JOIN workflows w ON w.id = e.workflow
WHERE e.number = ?

-- name: count
SELECT count(*) FROM executions e WHERE {where}

-- name: counter
SELECT COALESCE((SELECT n FROM counters WHERE kind = ? AND key = ?), 0)

-- name: workflow_row
SELECT id FROM workflows WHERE workflow_id = ?
-- name: user_row
SELECT id FROM users WHERE name = ?
-- name: agent_row
SELECT id FROM agents WHERE name = ?
-- name: customer_row
SELECT id FROM customers WHERE name = ?

-- name: outcomes
-- How a workflow's latest executions went here: what other engines took says nothing of that.
SELECT e.status, e.duration_us FROM executions e
WHERE e.workflow = (SELECT id FROM workflows WHERE workflow_id = ?) AND e.ended_at IS NOT NULL AND e.mode = 'local-run'
ORDER BY e.number DESC LIMIT ?
