-- Logs an agent can afford. docs/database.md explains the tables.

-- Retention: what somebody wants to keep whatever its age. Apart from executions, whose rows carry checksums.
CREATE TABLE pins(
  execution INTEGER PRIMARY KEY REFERENCES executions(number) ON DELETE CASCADE,
  at        INTEGER NOT NULL,
  by        TEXT NOT NULL
) STRICT;

-- Retention: executions whose logs were removed while their rows stay. How many lines there were, the rows say.
CREATE TABLE removed_logs(
  execution INTEGER PRIMARY KEY REFERENCES executions(number) ON DELETE CASCADE,
  at        INTEGER NOT NULL
) STRICT;

-- Event lines: how many lines of the stream `event` a block holds, so that progress is read without reading the rest.
-- Blocks from before say 0.
ALTER TABLE log_blocks ADD COLUMN events INTEGER NOT NULL DEFAULT 0 CHECK(events >= 0);
CREATE INDEX log_blocks_events ON log_blocks(execution, first_line) WHERE events > 0;

-- Finding things. What was still going on at a moment: a search for lines from then on need not look at anything older.
CREATE INDEX executions_ended ON executions(ended_at, number) WHERE ended_at IS NOT NULL;

-- What an execution is found by, as words: letters, digits and other signs that stand for something, whatever their
-- case and accents. The texts are kept too, so that a row can go without anybody knowing what it was made from. The
-- kernel's rules keep it (kernel/texts.py); in a trigger SQLite 3.40 calls it unsafe
-- where trusted_schema is off.
CREATE VIRTUAL TABLE execution_texts USING fts5(
  workflow,                        -- its id and its name
  params,                          -- values, not those of secrets
  labels,                          -- names and values
  reason,                          -- why it is over and has not completed
  columnsize = 0,
  tokenize = "unicode61 remove_diacritics 2 categories 'L* N* M* Co So'"
);
INSERT INTO execution_texts(rowid, workflow, params, labels, reason)
SELECT e.number, w.workflow_id || ' ' || v.name,
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
LEFT JOIN workflows w ON w.id = e.workflow;

-- Digests. How far an execution's sealed log is taken in, and what it adds up to so far. Made from the blocks alone:
-- a row that is damaged, or of another format, is made anew.
CREATE TABLE log_digests(
  execution INTEGER PRIMARY KEY REFERENCES executions(number) ON DELETE CASCADE,
  format    INTEGER NOT NULL,                             -- of the rules and of the data; storage/logs/digest.py
  lines     INTEGER NOT NULL CHECK(lines > 0),            -- taken in so far
  data      BLOB NOT NULL,
  crc       INTEGER NOT NULL
) STRICT;

-- How many lines of a block say that they are errors or warnings; of a block without a row nobody knows. Apart from
-- the blocks: they are sealed faster than their lines are looked at, and a column behind their data would be slow.
CREATE TABLE log_levels(
  execution  INTEGER NOT NULL REFERENCES executions(number) ON DELETE CASCADE,
  first_line INTEGER NOT NULL,                            -- of the block
  format     INTEGER NOT NULL,                            -- of the rules that counted
  errors     INTEGER NOT NULL,
  warnings   INTEGER NOT NULL,
  crc        INTEGER NOT NULL,
  PRIMARY KEY(execution, first_line)
) STRICT, WITHOUT ROWID;

-- Masking: in how many places of the sealed lines a secret stood.
ALTER TABLE log_seals ADD COLUMN masked INTEGER NOT NULL DEFAULT 0 CHECK(masked >= 0);
