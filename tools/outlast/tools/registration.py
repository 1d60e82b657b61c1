"""All the tools, in the order in which they are listed."""

from mcp.server.mcpserver.tools import Tool

from outlast.tools.history import LIST_EXECUTION_HISTORY
from outlast.tools.logs import GET_LOGS
from outlast.tools.starting import EXECUTE_WORKFLOW
from outlast.tools.status import GET_STATUS

TOOLS: tuple[Tool, ...] = (EXECUTE_WORKFLOW, GET_STATUS, GET_LOGS, LIST_EXECUTION_HISTORY)
