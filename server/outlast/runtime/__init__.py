"""What every server, command and inspector uses: start, follow, reconcile and cancel executions."""
