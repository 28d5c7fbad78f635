"""Gateways: registered by administrators, their sessions, and writing agents' files anew."""

from api.rest_compat.queries import GatewayStatusQuery, PageQuery, SessionQuery, SyncQuery
from api.rest_compat.table import USER, delete, get, patch, post
from api.rest_compat.wire import (
    GatewayCommandsResponse,
    GatewayCreate,
    GatewayRead,
    GatewaySessionHistoryResponse,
    GatewaySessionMessageRequest,
    GatewaySessionResponse,
    GatewaySessionsResponse,
    GatewaysStatusResponse,
    GatewayTemplatesSyncResult,
    GatewayUpdate,
    Page,
)
from api.schema import gateway_rest as gateways
from api.schema.gates import gateway_admin, organization_admin

TAGS = ("gateways",)
ONE = "/gateways/{gateway_id}"
SESSION = "/gateways/sessions/{session_id}"

ROWS = [
    get("/gateways", gateways.gateway_page, name="list_gateways", summary="List gateways", tags=TAGS, who=USER,
        gate=organization_admin, query=PageQuery, returns=Page[GatewayRead]),
    post("/gateways", gateways.create_gateway, name="create_gateway", summary="Register a gateway", tags=TAGS, who=USER,
         gate=organization_admin, body=GatewayCreate, returns=GatewayRead, refusals=(502,)),
    get("/gateways/commands", gateways.commands, name="gateway_commands", summary="List what the protocol knows",
        tags=TAGS, who=USER, gate=organization_admin, returns=GatewayCommandsResponse),
    get("/gateways/status", gateways.status, name="gateways_status", summary="Ask whether a gateway answers", tags=TAGS,
        who=USER, gate=organization_admin, query=GatewayStatusQuery, returns=GatewaysStatusResponse,
        refusals=(404,)),
    get("/gateways/sessions", gateways.session_list, name="list_gateway_sessions", summary="List sessions", tags=TAGS,
        who=USER, gate=organization_admin, query=SessionQuery, returns=GatewaySessionsResponse, refusals=(404, 502)),
    get(SESSION, gateways.session, name="get_gateway_session", summary="Read a session", tags=TAGS, who=USER,
        gate=organization_admin, query=SessionQuery, texts=("session_id",), returns=GatewaySessionResponse,
        refusals=(502,)),
    get(SESSION + "/history", gateways.history, name="get_session_history", summary="Read what was said", tags=TAGS,
        who=USER, gate=organization_admin, query=SessionQuery, texts=("session_id",),
        returns=GatewaySessionHistoryResponse, refusals=(502,)),
    post(SESSION + "/message", gateways.say, name="send_gateway_session_message", summary="Say something", tags=TAGS,
         who=USER, gate=organization_admin, query=SessionQuery, texts=("session_id",),
         body=GatewaySessionMessageRequest, refusals=(502,)),
    get(ONE, gateways.gateway, name="get_gateway", summary="Read a gateway", tags=TAGS, who=USER, gate=gateway_admin,
        returns=GatewayRead),
    patch(ONE, gateways.update_gateway, name="update_gateway", summary="Change a gateway", tags=TAGS, who=USER,
          gate=gateway_admin, body=GatewayUpdate, returns=GatewayRead, refusals=(502,)),
    delete(ONE, gateways.delete_gateway, name="delete_gateway", summary="Delete a gateway", tags=TAGS, who=USER,
           gate=gateway_admin, refusals=(409,)),
    post(ONE + "/templates/sync", gateways.sync_templates, name="sync_gateway_templates",
         summary="Write the files of its agents anew", tags=TAGS, who=USER, gate=gateway_admin, query=SyncQuery,
         returns=GatewayTemplatesSyncResult),
]  # fmt: skip
