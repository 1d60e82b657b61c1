"""MCP clients and their configurations: where they lie, what stands there, how Outlast is put in and taken out."""
