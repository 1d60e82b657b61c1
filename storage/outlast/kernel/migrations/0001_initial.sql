-- The first schema. Times are µs since the epoch (UTC), durations µs; a status is the word people read.
-- docs/database.md explains the tables; the kernel holds every rule that writes to them. No json_valid() in CHECKs:
-- SQLite before 3.41 calls it unsafe where trusted_schema is off.

CREATE TABLE meta(
  key   TEXT PRIMARY KEY,          -- store_id, max_running
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE users(
  id   INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE        -- the principal: over stdio, the operating system's user
) STRICT;

CREATE TABLE agents(
  id   INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE customers(
  id   INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE workflows(
  id          INTEGER PRIMARY KEY,
  workflow_id TEXT NOT NULL UNIQUE,
  created_at  INTEGER NOT NULL
) STRICT;

CREATE TABLE workflow_versions(
  id         INTEGER PRIMARY KEY,
  workflow   INTEGER NOT NULL REFERENCES workflows(id),
  hash       TEXT NOT NULL CHECK(length(hash) = 64),      -- SHA-256 of the definition
  name       TEXT NOT NULL,
  type       TEXT,
  definition TEXT NOT NULL,
  source     TEXT,                                        -- the file it was read from
  created_at INTEGER NOT NULL,
  UNIQUE(workflow, hash)
) STRICT;

CREATE TABLE executions(
  number          INTEGER PRIMARY KEY AUTOINCREMENT,      -- said aloud; also the order of history and its cursor
  id              BLOB NOT NULL UNIQUE CHECK(length(id) = 16),
  workflow        INTEGER NOT NULL REFERENCES workflows(id),
  version         INTEGER NOT NULL REFERENCES workflow_versions(id),
  user            INTEGER NOT NULL REFERENCES users(id),
  agent           INTEGER REFERENCES agents(id),
  customer        INTEGER REFERENCES customers(id),
  mode            TEXT NOT NULL DEFAULT 'local-run' CHECK(mode IN ('local-run', 'cloud-run')),
                                                          -- cloud-run: recorded, somebody else's engine runs it
  visual          INTEGER NOT NULL DEFAULT 0 CHECK(visual IN (0, 1)),   -- what its screen showed was recorded
  trigger         TEXT NOT NULL,                          -- what started it: mcp, cli, retry …
  client          TEXT,  -- who asked: program, version, session, git state
  labels          TEXT,
  metadata        TEXT,
  binary_path     TEXT,                                   -- the program that the first step runs
  idempotency_key TEXT,
  request_hash    BLOB NOT NULL,                          -- of workflow and parameters: the same key may not ask for another
  concurrency_key TEXT,
  on_conflict     TEXT NOT NULL DEFAULT 'queue' CHECK(on_conflict IN ('queue', 'reject', 'cancel_running')),
  priority        INTEGER NOT NULL DEFAULT 0,
  retry_of        INTEGER REFERENCES executions(number) ON DELETE SET NULL,
  rollback_of     INTEGER REFERENCES executions(number) ON DELETE SET NULL,
  status          TEXT NOT NULL CHECK(status IN ('pending', 'running', 'waiting', 'paused', 'rolling_back',
                                                 'completed', 'failed', 'cancelled', 'timeout', 'lost')),
  epoch           INTEGER NOT NULL DEFAULT 0,             -- counts supervisors; an older one may write nothing
  claimed_at      INTEGER,                                -- a slot is held and a supervisor is being started
  claims          INTEGER NOT NULL DEFAULT 0,             -- supervisors started that never took over
  created_at      INTEGER NOT NULL,
  updated_at      INTEGER NOT NULL,
  started_at      INTEGER,
  ended_at        INTEGER,
  boot_id         TEXT,                                   -- of started_boottime
  started_boottime INTEGER,                               -- CLOCK_BOOTTIME at the start, µs
  parked_us       INTEGER NOT NULL DEFAULT 0,
  duration_us     INTEGER CHECK(duration_us IS NULL OR duration_us >= 0),
  cancel_requested_at INTEGER,
  cancel_requested_by TEXT,
  stopping_at     INTEGER,                                -- its supervisor has seen the request and acts on it
  supervisor_pid  INTEGER,
  supervisor_start INTEGER,                               -- with boot_id of this pid, the process's identity
  supervisor_boot TEXT,
  exit_code       INTEGER,
  signal          INTEGER,
  signal_certain  INTEGER CHECK(signal_certain IN (0, 1)),
  reason          TEXT,
  compensation    TEXT CHECK(compensation IN ('none', 'running', 'done', 'failed')),
  log_lines       INTEGER,                                -- known once everything is sealed
  crc             INTEGER NOT NULL DEFAULT 0,
  CHECK((status IN ('completed', 'failed', 'cancelled', 'timeout', 'lost')) = (ended_at IS NOT NULL)),
  CHECK(ended_at IS NULL OR reason IS NOT NULL),
  CHECK(ended_at IS NULL OR ended_at >= COALESCE(started_at, created_at)),
  CHECK(status IN ('pending', 'failed', 'cancelled', 'lost') OR started_at IS NOT NULL),
  -- A record has no slot, no supervisor and no evidence of one.
  CHECK(mode = 'local-run' OR (epoch = 0 AND claimed_at IS NULL AND concurrency_key IS NULL
                               AND supervisor_pid IS NULL AND exit_code IS NULL AND signal IS NULL))
) STRICT;
CREATE INDEX executions_workflow ON executions(workflow, number);
CREATE INDEX executions_user     ON executions(user, number);
CREATE INDEX executions_agent    ON executions(agent, number) WHERE agent IS NOT NULL;
CREATE INDEX executions_customer ON executions(customer, number) WHERE customer IS NOT NULL;
-- Nearly everything is completed: an index over the rest answers "what failed" and stays small.
CREATE INDEX executions_odd      ON executions(status, number) WHERE status <> 'completed';
CREATE INDEX executions_user_odd     ON executions(user, status, number) WHERE status <> 'completed';
CREATE INDEX executions_workflow_odd ON executions(workflow, status, number) WHERE status <> 'completed';
CREATE INDEX executions_recorded ON executions(mode, number) WHERE mode <> 'local-run';
CREATE INDEX executions_visual   ON executions(visual, number) WHERE visual = 1;
CREATE INDEX executions_live     ON executions(number) WHERE ended_at IS NULL;
CREATE INDEX executions_created  ON executions(created_at);
CREATE INDEX executions_key      ON executions(concurrency_key) WHERE concurrency_key IS NOT NULL AND ended_at IS NULL;
CREATE UNIQUE INDEX executions_idempotency ON executions(user, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX executions_unsealed ON executions(number) WHERE ended_at IS NOT NULL AND log_lines IS NULL;
CREATE INDEX executions_retry    ON executions(retry_of) WHERE retry_of IS NOT NULL;
CREATE INDEX executions_rollback ON executions(rollback_of) WHERE rollback_of IS NOT NULL;
CREATE INDEX executions_version  ON executions(version);

-- Big values, off the pages that listings read.
CREATE TABLE payloads(
  execution INTEGER PRIMARY KEY REFERENCES executions(number) ON DELETE CASCADE,
  plan      BLOB,                                         -- the bytes of plan.json; a record has nothing to run
  output    TEXT,
  leftovers TEXT,  -- processes alive after a normal exit
  crc       INTEGER NOT NULL
) STRICT;

CREATE TABLE params(
  execution INTEGER NOT NULL REFERENCES executions(number) ON DELETE CASCADE,
  name      TEXT NOT NULL,
  type      TEXT NOT NULL,
  value     TEXT NOT NULL,       -- JSON, so that a number stays a number
  secret    INTEGER NOT NULL DEFAULT 0 CHECK(secret IN (0, 1)),
  crc       INTEGER NOT NULL,
  PRIMARY KEY(execution, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE steps(
  execution  INTEGER NOT NULL REFERENCES executions(number) ON DELETE CASCADE,
  no         INTEGER NOT NULL CHECK(no > 0),
  step_id    TEXT NOT NULL,
  name       TEXT NOT NULL,
  status     TEXT NOT NULL CHECK(status IN ('pending', 'running', 'retrying', 'waiting', 'completed', 'failed',
                                            'skipped', 'rejected', 'cancelled', 'timeout', 'lost')),
  attempt    INTEGER NOT NULL DEFAULT 0,                  -- the latest; 0 before the first
  max_attempts INTEGER NOT NULL DEFAULT 1,
  started_at INTEGER,
  ended_at   INTEGER,
  input      TEXT,
  output     TEXT,
  error      TEXT,
  compensation TEXT CHECK(compensation IN ('none', 'running', 'done', 'failed')),
  PRIMARY KEY(execution, no)
) STRICT, WITHOUT ROWID;

CREATE TABLE attempts(
  execution  INTEGER NOT NULL,
  step_no    INTEGER NOT NULL,
  attempt    INTEGER NOT NULL CHECK(attempt > 0),
  status     TEXT NOT NULL CHECK(status IN ('running', 'completed', 'failed', 'cancelled', 'timeout', 'lost')),
  started_at INTEGER NOT NULL,
  ended_at   INTEGER,
  pid        INTEGER,
  pid_start  INTEGER,
  pid_boot   TEXT,
  exit_code  INTEGER,
  signal     INTEGER,
  signal_certain INTEGER CHECK(signal_certain IN (0, 1)),
  reason     TEXT,
  PRIMARY KEY(execution, step_no, attempt),
  FOREIGN KEY(execution, step_no) REFERENCES steps(execution, no) ON DELETE CASCADE,
  CHECK(status <> 'completed' OR exit_code IS 0)          -- completed is only said on evidence
) STRICT, WITHOUT ROWID;

-- Append-only, one sequence over everything: a cursor into it answers "what happened since".
CREATE TABLE events(
  seq       INTEGER PRIMARY KEY AUTOINCREMENT,
  execution INTEGER NOT NULL REFERENCES executions(number) ON DELETE CASCADE,
  at        INTEGER NOT NULL,
  kind      TEXT NOT NULL,
  step_no   INTEGER,
  attempt   INTEGER,
  data      TEXT
) STRICT;
CREATE INDEX events_execution ON events(execution, seq);

-- Sealed output: up to 64 KiB of whole lines in their final order, zstd.
CREATE TABLE log_blocks(
  id         INTEGER PRIMARY KEY,
  execution  INTEGER NOT NULL REFERENCES executions(number) ON DELETE CASCADE,
  first_line INTEGER NOT NULL CHECK(first_line > 0),
  lines      INTEGER NOT NULL CHECK(lines > 0),
  first_at   INTEGER NOT NULL,
  last_at    INTEGER NOT NULL,
  raw_bytes  INTEGER NOT NULL,
  codec      TEXT NOT NULL CHECK(codec IN ('zstd', 'raw')),
  segments   BLOB NOT NULL,                               -- which lines came from which spool when; storage/logs/blocks.py
  data       BLOB NOT NULL,
  crc        INTEGER NOT NULL,                            -- of segments and data
  UNIQUE(execution, first_line)
) STRICT;

-- How far an execution's spools are sealed. Absent: not at all.
CREATE TABLE log_seals(
  execution   INTEGER PRIMARY KEY REFERENCES executions(number) ON DELETE CASCADE,
  lines       INTEGER NOT NULL,                           -- sealed so far
  position    TEXT NOT NULL,  -- where to go on in marks and spools
  late_bytes  INTEGER NOT NULL DEFAULT 0                  -- written after their attempt was over, not kept
) STRICT;

CREATE TABLE artifacts(
  id           INTEGER PRIMARY KEY,
  execution    INTEGER NOT NULL REFERENCES executions(number) ON DELETE CASCADE,
  step_no      INTEGER,
  attempt      INTEGER,
  type         TEXT NOT NULL,
  name         TEXT NOT NULL,
  location     TEXT NOT NULL,                             -- a path below the store, or a place elsewhere (s3://…)
  sha256       TEXT CHECK(sha256 IS NULL OR length(sha256) = 64),
  size         INTEGER,
  content_type TEXT,
  metadata     TEXT,
  created_at   INTEGER NOT NULL
) STRICT;
CREATE INDEX artifacts_execution ON artifacts(execution, type);
CREATE INDEX artifacts_content   ON artifacts(sha256) WHERE sha256 IS NOT NULL;

CREATE TABLE approvals(
  id           INTEGER PRIMARY KEY,
  execution    INTEGER NOT NULL REFERENCES executions(number) ON DELETE CASCADE,
  step_no      INTEGER NOT NULL,
  gate         TEXT NOT NULL,
  message      TEXT NOT NULL,
  decided_by_kind TEXT NOT NULL CHECK(decided_by_kind IN ('human', 'any')),
  status       TEXT NOT NULL CHECK(status IN ('pending', 'approved', 'rejected', 'expired', 'cancelled')),
  requested_at INTEGER NOT NULL,
  expires_at   INTEGER,
  on_timeout   TEXT CHECK(on_timeout IN ('approve', 'reject')),
  decided_at   INTEGER,
  decided_by   TEXT,
  channel      TEXT,
  comment      TEXT,
  metadata     TEXT,
  plan_hash    TEXT NOT NULL,
  params_hash  TEXT NOT NULL,
  CHECK((status IN ('pending', 'expired', 'cancelled')) OR (decided_at IS NOT NULL AND decided_by IS NOT NULL)),
  UNIQUE(execution, gate)
) STRICT;
CREATE INDEX approvals_pending ON approvals(expires_at) WHERE status = 'pending';

CREATE TABLE snapshots(
  execution  INTEGER NOT NULL REFERENCES executions(number) ON DELETE CASCADE,
  no         INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  state      TEXT NOT NULL,
  PRIMARY KEY(execution, no)
) STRICT, WITHOUT ROWID;

-- True totals for the filters people use, without counting rows. A key of two values has a blank between them.
CREATE TABLE counters(
  kind TEXT NOT NULL CHECK(kind IN ('all', 'status', 'mode', 'workflow', 'user', 'agent', 'customer',
                                    'workflow status', 'user status')),
  key  TEXT NOT NULL,
  n    INTEGER NOT NULL,
  PRIMARY KEY(kind, key)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER executions_counted AFTER INSERT ON executions BEGIN
  INSERT INTO counters(kind, key, n)
  SELECT column1, column2, 1 FROM (
    VALUES ('all', ''), ('status', NEW.status), ('mode', NEW.mode), ('workflow', NEW.workflow), ('user', NEW.user),
           ('agent', NEW.agent), ('customer', NEW.customer),
           ('workflow status', NEW.workflow || ' ' || NEW.status), ('user status', NEW.user || ' ' || NEW.status))
  WHERE column2 IS NOT NULL
  ON CONFLICT(kind, key) DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER executions_uncounted AFTER DELETE ON executions BEGIN
  UPDATE counters SET n = n - 1
  WHERE (kind, key) IN (
    VALUES ('all', ''), ('status', OLD.status), ('mode', OLD.mode), ('workflow', OLD.workflow), ('user', OLD.user),
           ('agent', OLD.agent), ('customer', OLD.customer),
           ('workflow status', OLD.workflow || ' ' || OLD.status), ('user status', OLD.user || ' ' || OLD.status));
END;
CREATE TRIGGER executions_recounted AFTER UPDATE OF status ON executions WHEN OLD.status <> NEW.status BEGIN
  UPDATE counters SET n = n - 1
  WHERE (kind, key) IN (
    VALUES ('status', OLD.status), ('workflow status', OLD.workflow || ' ' || OLD.status),
           ('user status', OLD.user || ' ' || OLD.status));
  INSERT INTO counters(kind, key, n)
  VALUES ('status', NEW.status, 1), ('workflow status', NEW.workflow || ' ' || NEW.status, 1),
         ('user status', NEW.user || ' ' || NEW.status, 1)
  ON CONFLICT(kind, key) DO UPDATE SET n = n + 1;
END;

-- Terminal states never change, whoever writes.
CREATE TRIGGER executions_settled BEFORE UPDATE OF status, ended_at, exit_code, reason ON executions
WHEN OLD.ended_at IS NOT NULL
 AND (NEW.status, NEW.ended_at, NEW.exit_code, NEW.reason) IS NOT (OLD.status, OLD.ended_at, OLD.exit_code, OLD.reason)
BEGIN
  SELECT RAISE(ABORT, 'a settled execution never changes');
END;
