"""Board groups and their memory."""

from api.rest_compat import payloads
from api.rest_compat.queries import GroupSnapshotQuery, MemoryQuery, MemoryStreamQuery, PageQuery
from api.rest_compat.table import USER, Hints, delete, get, patch, post, stream
from api.rest_compat.wire import (
    BoardGroupCreate,
    BoardGroupHeartbeatApply,
    BoardGroupHeartbeatApplyResult,
    BoardGroupMemoryCreate,
    BoardGroupMemoryRead,
    BoardGroupRead,
    BoardGroupSnapshot,
    BoardGroupUpdate,
    Page,
)
from api.schema import groups, snapshots
from api.schema.gates import (
    board_read,
    board_write,
    group_admin,
    group_read,
    group_rhythm,
    group_write,
    organization_admin,
    organization_member,
)

TAGS = ("board-groups",)
MEMORY = ("board-group-memory", "board-group-memory")
AGENTS = (*MEMORY, "agent-lead", "agent-worker")

ROWS = [
    get("/board-groups", groups.group_page, name="list_board_groups", summary="List groups", tags=TAGS, who=USER,
        gate=organization_member, query=PageQuery, returns=Page[BoardGroupRead]),
    post("/board-groups", groups.create_group, name="create_board_group", summary="Create a group", tags=TAGS,
         who=USER, gate=organization_admin, body=BoardGroupCreate, returns=BoardGroupRead),
    get("/board-groups/{group_id}", groups.group, name="get_board_group", summary="Read a group", tags=TAGS, who=USER,
        gate=group_read, returns=BoardGroupRead),
    patch("/board-groups/{group_id}", groups.update_group, name="update_board_group", summary="Change a group",
          tags=TAGS, who=USER, gate=group_admin, body=BoardGroupUpdate, returns=BoardGroupRead),
    delete("/board-groups/{group_id}", groups.delete_group, name="delete_board_group", summary="Delete a group",
           tags=TAGS, who=USER, gate=group_admin),
    get("/board-groups/{group_id}/snapshot", snapshots.group_snapshot, name="get_board_group_snapshot",
        summary="See a group's boards at a glance", tags=TAGS, who=USER, gate=group_read, query=GroupSnapshotQuery,
        returns=BoardGroupSnapshot),
    post("/board-groups/{group_id}/heartbeat", groups.set_rhythm, name="apply_board_group_heartbeat",
         summary="Set the heartbeat of a group's agents", tags=TAGS, gate=group_rhythm, body=BoardGroupHeartbeatApply,
         returns=BoardGroupHeartbeatApplyResult),
    get("/board-groups/{group_id}/memory", groups.memory_page, name="list_board_group_memory",
        summary="List a group's memory", tags=MEMORY, who=USER, gate=group_read, query=MemoryQuery,
        returns=Page[BoardGroupMemoryRead]),
    post("/board-groups/{group_id}/memory", groups.write_memory, name="create_board_group_memory",
         summary="Write into a group's memory", tags=MEMORY, who=USER, gate=group_write, body=BoardGroupMemoryCreate,
         returns=BoardGroupMemoryRead),
    stream("/board-groups/{group_id}/memory/stream", payloads.GROUP_MEMORY, name="stream_board_group_memory",
           summary="Follow a group's memory", tags=MEMORY, who=USER, gate=group_read, query=MemoryStreamQuery),
    get("/boards/{board_id}/group-memory", groups.memory_page, name="list_board_group_memory_for_board",
        summary="List the memory of a board's group", tags=AGENTS, gate=board_read, query=MemoryQuery,
        returns=Page[BoardGroupMemoryRead], hints=Hints(
            "agent_board_group_memory_discovery", "any_agent", "You need what other boards of the group have shared.",
            "You look for notes of your own board; list its memory instead.")),
    post("/boards/{board_id}/group-memory", groups.write_memory, name="create_board_group_memory_for_board",
         summary="Write into the memory of a board's group", tags=AGENTS, gate=board_write,
         body=BoardGroupMemoryCreate, returns=BoardGroupMemoryRead, hints=Hints(
            "agent_board_group_memory_record", "any_agent", "Other boards of the group must know something.",
            "Only your own board is concerned; write to its memory instead.",
            "Writes an entry; chat and broadcasts are sent to agents.")),
    stream("/boards/{board_id}/group-memory/stream", payloads.GROUP_MEMORY, name="stream_board_group_memory_for_board",
           summary="Follow the memory of a board's group", tags=AGENTS, gate=board_read, query=MemoryStreamQuery,
           hints=Hints("agent_board_group_memory_stream", "any_agent", "You follow what the group shares.",
                       "One look is enough; list the memory instead.")),
]  # fmt: skip
