"""All the tools, in the order in which they are listed."""

from mcp.server.mcpserver.tools import Tool

from outlast.tools.cancelling import CANCEL_EXECUTION
from outlast.tools.digests import GET_LOG_DIGEST
from outlast.tools.history import LIST_EXECUTION_HISTORY
from outlast.tools.log_search import SEARCH_LOGS
from outlast.tools.logs import GET_LOGS
from outlast.tools.starting import EXECUTE_WORKFLOW
from outlast.tools.status import GET_STATUS
from outlast.tools.workflows import LIST_WORKFLOWS

TOOLS: tuple[Tool, ...] = (
    LIST_WORKFLOWS,
    EXECUTE_WORKFLOW,
    GET_STATUS,
    GET_LOGS,
    GET_LOG_DIGEST,
    SEARCH_LOGS,
    LIST_EXECUTION_HISTORY,
    CANCEL_EXECUTION,
)
