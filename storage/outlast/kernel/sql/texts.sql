-- name: text
-- By what an execution is found. Values without the keys in them; no reason of what completed, which says nothing. The
-- step of an execution of ours failed for the reason of the whole. What is damaged is left out, not the others for it.
SELECT w.workflow_id || ' ' || v.name,
       (SELECT substr(group_concat(t.atom, ' '), 1, 10000)
        FROM params p, json_tree(CASE WHEN json_valid(p.value) THEN p.value ELSE 'null' END) t
        WHERE p.execution = e.number AND p.secret = 0 AND t.type IN ('text', 'integer', 'real')),
       (SELECT substr(group_concat(l.key || ' ' || l.value, ' '), 1, 10000)
        FROM json_each(CASE WHEN json_valid(e.labels) THEN e.labels ELSE '{}' END) l),
       CASE WHEN e.status <> 'completed' THEN NULLIF(substr(COALESCE(e.reason, '') || COALESCE(
         (SELECT ' ' || group_concat(s.error, ' ') FROM steps s
          WHERE s.execution = e.number AND e.mode <> 'local-run'), ''), 1, 10000), '') END
FROM executions e
LEFT JOIN workflow_versions v ON v.id = e.version
LEFT JOIN workflows w ON w.id = e.workflow
WHERE e.number = ?

-- name: insert
INSERT INTO execution_texts(rowid, workflow, params, labels, reason) VALUES (?, ?, ?, ?, ?)
-- name: update
UPDATE execution_texts SET reason = ? WHERE rowid = ?
-- name: delete
DELETE FROM execution_texts WHERE rowid = ?

-- name: stored
SELECT workflow, params, labels, reason FROM execution_texts WHERE rowid = ?

-- name: strange
-- Texts of executions that there are not.
SELECT rowid FROM execution_texts WHERE rowid NOT IN (SELECT number FROM executions)

-- name: numbers
SELECT number FROM executions

-- name: rebuild
-- Makes the index again from the texts, which are kept beside it.
INSERT INTO execution_texts(execution_texts) VALUES ('rebuild')

-- name: fts5
SELECT 1 FROM pragma_module_list WHERE name = 'fts5'
