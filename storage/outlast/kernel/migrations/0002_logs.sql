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
