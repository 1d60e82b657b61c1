"""The MCP tools: thin, each calls the runtime and shows what it says. Views and texts know nothing of MCP."""
