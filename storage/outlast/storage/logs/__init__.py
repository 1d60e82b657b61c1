"""What executions print: numbered, kept and read back. docs/log-format.md shows the formats.

Spool files and marks in a run directory are the crash-safe buffer, sealed blocks in the store the archive. The
reader shows both as one sequence, so an answer does not depend on how much of a log is sealed.
Everything here is synchronous and made for worker threads.
"""
