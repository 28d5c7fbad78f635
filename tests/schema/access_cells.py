"""The access matrix, written by hand: who gets what from every operation of both interfaces.

Columns: anonymous, wrong token, outsider (owner of another organisation), member without access, reader, writer,
admin (who also writes the board), owner, worker, worker of another board, lead, main agent of another organisation.

2 is success, U 401 UNAUTHENTICATED, F 403 FORBIDDEN, N 404 NOT_FOUND, I 422 BAD_USER_INPUT.
"""

ACTORS = [
    "anonymous",
    "wrong",
    "outsider",
    "member",
    "reader",
    "writer",
    "admin",
    "owner",
    "worker",
    "other_worker",
    "lead",
    "foreign_main",
]

PEOPLE = "U U 2 2 2 2 2 2 U U U U"
ADMINS = "U U 2 F F F 2 2 U U U U"
AGENTS = "U U U U U U U U 2 2 2 2"
READ = "U U N F 2 2 2 2 2 F 2 N"
WRITE = "U U N F F 2 2 2 2 F 2 N"
PEOPLE_WRITE = "U U N F F 2 2 2 U U U U"
AGENT_BOARD = "U U U U U U U U 2 F 2 N"
AGENT_LEAD = "U U U U U U U U F F 2 N"

REST = {
    "POST /auth/bootstrap": PEOPLE,
    "GET /users/me": PEOPLE,
    "PATCH /users/me": PEOPLE,
    "GET /organizations/me": PEOPLE,
    "GET /organizations/me/list": PEOPLE,
    "GET /organizations/me/member": PEOPLE,
    "GET /organizations/me/members": PEOPLE,
    "GET /organizations/me/members/{member_id}": "U U N F 2 F 2 2 U U U U",
    "GET /agents": ADMINS,
    "POST /agents": "U U N F F F 2 2 F F 2 F",
    "GET /agents/stream": ADMINS,
    "POST /agents/heartbeat": "U U N F F 2 2 2 2 2 2 2",
    "GET /agents/{agent_id}": "U U N F F F 2 2 U U U U",
    "PATCH /agents/{agent_id}": "U U N F F F 2 2 U U U U",
    "DELETE /agents/{agent_id}": ADMINS,
    "POST /agents/{agent_id}/heartbeat": "U U N F F F 2 2 F F F N",
    "GET /boards": PEOPLE,
    "POST /boards": ADMINS,
    "GET /boards/{board_id}": "U U N F 2 2 2 2 U U U U",
    "PATCH /boards/{board_id}": PEOPLE_WRITE,
    "DELETE /boards/{board_id}": PEOPLE_WRITE,
    "GET /boards/{board_id}/tasks": READ,
    "POST /boards/{board_id}/tasks": PEOPLE_WRITE,
    "GET /boards/{board_id}/tasks/stream": READ,
    "PATCH /boards/{board_id}/tasks/{task_id}": WRITE,
    "DELETE /boards/{board_id}/tasks/{task_id}": PEOPLE_WRITE,
    "GET /boards/{board_id}/tasks/{task_id}/comments": READ,
    "POST /boards/{board_id}/tasks/{task_id}/comments": WRITE,
    "GET /boards/{board_id}/approvals": READ,
    "POST /boards/{board_id}/approvals": WRITE,
    "GET /boards/{board_id}/approvals/stream": READ,
    "PATCH /boards/{board_id}/approvals/{approval_id}": PEOPLE_WRITE,
    "GET /boards/{board_id}/memory": READ,
    "POST /boards/{board_id}/memory": WRITE,
    "GET /boards/{board_id}/memory/stream": READ,
    "GET /agent/healthz": AGENTS,
    "POST /agent/heartbeat": AGENTS,
    "GET /agent/boards": AGENTS,
    "GET /agent/boards/{board_id}": AGENT_BOARD,
    "GET /agent/agents": AGENTS,
    "POST /agent/agents": "U U U U U U U U F F 2 F",
    "DELETE /agent/boards/{board_id}/agents/{agent_id}": AGENT_LEAD,
    "GET /agent/boards/{board_id}/tasks": AGENT_BOARD,
    "POST /agent/boards/{board_id}/tasks": AGENT_LEAD,
    "PATCH /agent/boards/{board_id}/tasks/{task_id}": AGENT_BOARD,
    "DELETE /agent/boards/{board_id}/tasks/{task_id}": AGENT_LEAD,
    "GET /agent/boards/{board_id}/tasks/{task_id}/comments": AGENT_BOARD,
    "POST /agent/boards/{board_id}/tasks/{task_id}/comments": AGENT_BOARD,
    "GET /agent/boards/{board_id}/memory": AGENT_BOARD,
    "POST /agent/boards/{board_id}/memory": AGENT_BOARD,
    "GET /agent/boards/{board_id}/approvals": AGENT_BOARD,
    "POST /agent/boards/{board_id}/approvals": AGENT_BOARD,
    "GET /agent/boards/{board_id}/tags": AGENT_BOARD,
}

ANYBODY = "U U 2 2 2 2 2 2 2 2 2 2"
PERSONS = "U U 2 2 2 2 2 2 F F F F"

GRAPHQL = {
    "Query.viewer": ANYBODY,
    "Query.me": PERSONS,
    "Query.organization": "U U N 2 2 2 2 2 2 2 2 N",
    "Query.board": READ,
    "Query.boards": ANYBODY,
    "Query.task": READ,
    "Query.tasks": ANYBODY,
    "Query.approval": READ,
    "Query.approvals": ANYBODY,
    "Query.agent": READ,
    "Query.agents": ANYBODY,
    "Query.activity": ANYBODY,
    "Query.node": READ,
    "Query.nodes": ANYBODY,
    "Query.eventCursor": ANYBODY,
    "Mutation.updateProfile": PERSONS,
    "Mutation.createPersonalToken": "U U I I I I I 2 F F F F",
    "Mutation.revokePersonalToken": "U U N N N N N N F F F F",
    "Mutation.rotateLocalToken": "U U I F F F F I F F F F",
    "Mutation.setMemberAccess": "U U N F F F 2 2 F F F N",
    "Mutation.createBoard": "U U 2 F F F 2 2 F F F F",
    "Mutation.updateBoard": "U U N F F 2 2 2 F F F F",
    "Mutation.deleteBoard": "U U N F F 2 2 2 F F F F",
    "Mutation.createTask": "U U N F F 2 2 2 F F 2 N",
    "Mutation.updateTask": WRITE,
    "Mutation.updateTasks": WRITE,
    "Mutation.claimTask": "U U F F F F F F 2 F F N",
    "Mutation.deleteTask": "U U N F F 2 2 2 F F 2 N",
    "Mutation.commentOnTask": WRITE,
    "Mutation.redactComment": "U U N F F F 2 2 F F F N",
    "Mutation.requestApproval": WRITE,
    "Mutation.decideApproval": "U U N F F 2 2 2 F F F N",
    "Mutation.decideApprovals": "U U N F F 2 2 2 F F F N",
    "Mutation.writeMemory": WRITE,
    "Mutation.redactMemory": "U U N F F F 2 2 F F F N",
    "Mutation.createAgent": "U U N F F F 2 2 F F 2 F",
    "Mutation.issueAgentToken": "U U N F F F 2 2 F F F N",
    "Mutation.updateAgent": "U U N F F F 2 2 F F F N",
    "Mutation.deleteAgent": "U U 2 F F F 2 2 F F 2 F",
    "Mutation.sendHeartbeat": "U U N F F F 2 2 F F F F",
    "Subscription.boardEvents": READ,
    "Subscription.taskEvents": READ,
    "Subscription.approvalEvents": READ,
    "Subscription.memoryEvents": READ,
    "Subscription.agentEvents": READ,
    "Subscription.activity": ANYBODY,
}
