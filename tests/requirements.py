"""What Outlast promises: the id of every requirement that is done or in work, and its sentence.

A test that would fail without it carries `@pytest.mark.requirement(id)`; test_requirements.py looks for gaps.
"""

from typing import NamedTuple

REQUIREMENTS = {
    "C1": "MCP server over stdio; tools `execute_workflow`, `get_status`, `get_logs`, `list_execution_history` "
    "route to a runtime.",
    "C2": "The runtime keeps live executions in memory and falls back to aiosqlite persistence for past sessions.",
    "C4": "Packages: mcp, aiosqlite, pydantic, anyio; pytest with anyio's own plugin.",
    "C5": "Top level: pyproject.toml, README.md, server, storage, tools, tests, claude_config.example.json.",
    "S0-1": "Record: workflow type, user, input, output, task results, error message, duration, metadata, version.",
    "S0-2": "History of a user, paginated, status filter, total, newest first; history of one workflow.",
    "S0-8": "Workflow versioning: definition changes tracked, each execution tied to its definition version.",
    "S0-9": "Page sizes 1 to 500 (default 50 for user or workflow history, 10 in S3-7); "
    "pages stay fast at 100,000 rows and more.",
    "S0-12": "Type hints everywhere, no `Any` in public signatures, checked.",
    "S1-1": "Execution with statuses pending, running, completed, failed, cancelled, timeout; "
    "agent/customer/type links and metadata.",
    "S1-4": "Deleting an execution deletes its steps, artifacts, logs, params (cascade), nothing else.",
    "S1-6": "Demo data: three realistic scenarios (completed, running, failed) with steps and artifacts.",
    "C3": "Used from Claude Desktop, other MCP-capable agents, and a local inspector for debugging tools; "
    "`claude_config.example.json` is ready to paste.",
    "S3-3": "Logs are stored in order with sequence, time and type; `get_logs` by handle with a limit, "
    "same answer whether live or past.",
    "S3-7": "`list_execution_history(limit=10, offset=0, workflow_id)` answers handle, workflow name, status, start, "
    "end, exit code, and the true total.",
    "S3-17": "Logs of a live execution can be followed as they come by several readers at once: CLI follow, "
    "bounded waiting in a tool, resource update notices.",
    # So far the schema: entities and links.
    "S1-8": "Agents and customers are linked entities: history, active work and workload per agent or customer; "
    "deleting one deletes its executions, when asked explicitly.",
    "S1-10": "Demo data as in the document: completed cost analysis (5 named steps, 3 artifacts, about 15 minutes), "
    "running performance tuning (2 completed, 1 running, 1 pending; 1 artifact), failed quality check (2 completed, "
    "1 failed; 2 artifacts; threshold breached); seeding twice adds nothing.",
    "S1-11": "Store tests use a real database, isolated, every write read back; "
    "the first migration takes under a second.",
    "S2-2": "History filters: workflow, status, mode (cloud-run, local-run), page and page size, visual only "
    "(the columns exist; recording comes with S2-4); total; active executions now.",
    "S3-1": "Executions persist across restarts and can be queried by handle for ever: id, workflow id and name, "
    "status, start, end, exit code, binary path, created/updated.",
    "S3-2": "Parameters of every execution are stored and readable (non-string values keep their type).",
    "S3-4": "Schema version and migrations; a missing database is created; a backup is taken before a migration; "
    "a newer schema is refused.",
    "S3-5": "Restart: metadata is not loaded log by log; logs load on demand; only live executions are held in memory.",
    "S3-6": 'A stale "running" row is settled honestly '
    "(never a guess, never another live server's execution, never end = start).",
    "S3-8": "Log writes are batched; no slowdown of running workflows; database under 100 MB for 1,000 executions.",
    "S3-9": "Clean-up: delete or archive executions older than N days "
    "(archive = a separate file that can be opened again).",
    "S3-10": "Existing workflow executables run unchanged: `--workflow-metadata` JSON on stdout, `__WF_EVENT__:{json}` "
    "lines on stderr (13 event types).",
    "S3-11": "Search and filter: by log text, workflow, date range, status; full-text over all logs.",
    "S3-14": "Backup and recovery of the database; corruption is detected, reported and does not take the rest down.",
    "S3-16": "One call returns everything of an execution: typed parameters, output, step results, error, metadata, "
    "user, agent, customer, type, definition version, binary path, created/updated, steps, artifacts, approvals.",
    "X4": "Log digest: a million lines in about a thousand tokens, every item pointing at line numbers.",
    # So far get_logs.
    "S3-15": "The older tools' calls work: `get_status(handle_id)`, `get_logs(handle_id, limit=N)` = the last N lines "
    "(more by pages); each line carries its type and structured data.",
    "S3-18": "Backups with rotation (a setting with a default), `db restore`; "
    "a failed migration leaves the old database usable, with the way back documented.",
    "S3-19": "Retention runs by itself when set (age, size, count), never on live executions; a dry run shows what "
    "would go; log limit per execution and compression have stated defaults.",
    "S3-21": "An execution started by the CLI is readable through MCP by its handle after everything was restarted.",
    "S3-22": "The document's open questions (log retention, clean-up, load strategy, batch size and flush time, "
    "indexes) are answered in docs, each with a measurement and, where useful, a setting.",
    "S4-15": "Errors never show stack traces or secrets; every query is parameterised; inputs have size limits and "
    "Unicode handling; the server keeps its own log with levels.",
    "S4-16": "docs/: database reference, tool and CLI reference with examples and errors, troubleshooting; "
    "a test keeps them complete.",
    "X1": "Executions outlive the server, the client and the terminal; "
    "any later server takes them up again with the true exit code.",
    "X2": "Many servers over one database at once, none harming another's executions.",
    "X3": "Start is idempotent (`idempotency_key`), start answers at once, waiting is bounded below 50 s.",
    "X11": "Secrets are masked before they reach the database; log text is fenced as untrusted.",
    "X12": "Provenance: which client, which session, which definition, which git state started this.",
}


class Promises(NamedTuple):
    """What the collected tests say they hold."""

    by_requirement: dict[str, list[str]]
    """Requirement id → the tests that carry it."""
    uncollected: list[str]
    """Test files that exist and were not collected."""
