"""The rows of `/api/v1`, a file a module of the documented API."""

from api.rest_compat.routes import agent, agents, approvals, boards, memory, organizations, tasks, users

ROWS = [
    *users.ROWS, *agents.ROWS, *organizations.ROWS, *boards.ROWS, *memory.ROWS, *approvals.ROWS, *tasks.ROWS,
    *agent.ROWS,
]  # fmt: skip
