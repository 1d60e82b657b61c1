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
