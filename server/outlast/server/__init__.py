"""What people and clients start: the MCP server, the command line, the settings."""
