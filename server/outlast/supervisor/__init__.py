"""The small detached process that runs one execution. Standard library and kernel only."""
