"""Agents, as people administer them."""

from api.rest_compat import payloads
from api.rest_compat.queries import AgentStreamQuery, ForceQuery, UserAgentQuery
from api.rest_compat.table import USER, delete, get, patch, post, stream
from api.rest_compat.wire import AgentCreate, AgentHeartbeat, AgentHeartbeatCreate, AgentRead, AgentUpdate, Page
from api.schema import agents
from api.schema.gates import agent_admin, agent_maker, heartbeat_target, organization_admin

TAGS = ("agents",)

ROWS = [
    get("/agents", agents.agent_page, name="list_agents", summary="List agents", tags=TAGS, who=USER,
        gate=organization_admin, query=UserAgentQuery, returns=Page[AgentRead]),
    post("/agents", agents.create_agent, name="create_agent", summary="Put an agent on a board", tags=TAGS,
         gate=agent_maker,
         body=AgentCreate, returns=AgentRead),
    stream("/agents/stream", payloads.AGENTS, name="stream_agents", summary="Follow agents", tags=TAGS, who=USER,
           gate=organization_admin, query=AgentStreamQuery),
    post("/agents/heartbeat", agents.heartbeat_or_create, name="heartbeat_or_create_agent",
         summary="Report an agent alive by name", tags=TAGS, body=AgentHeartbeatCreate, returns=AgentRead),
    get("/agents/{agent_id}", agents.agent, name="get_agent", summary="Read an agent", tags=TAGS, who=USER,
        gate=agent_admin, returns=AgentRead),
    patch("/agents/{agent_id}", agents.update_agent, name="update_agent", summary="Change an agent", tags=TAGS,
          who=USER, gate=agent_admin, query=ForceQuery, body=AgentUpdate, returns=AgentRead),
    delete("/agents/{agent_id}", agents.delete_agent, name="delete_agent", summary="Delete an agent", tags=TAGS,
           who=USER, gate=organization_admin),
    post("/agents/{agent_id}/heartbeat", agents.send_heartbeat, name="heartbeat_agent", summary="Report an agent alive",
         tags=TAGS, gate=heartbeat_target, body=AgentHeartbeat, returns=AgentRead),
]  # fmt: skip
