"""Boards."""

from api.rest_compat.queries import BoardGroupSnapshotQuery, BoardQuery
from api.rest_compat.table import USER, delete, get, patch, post
from api.rest_compat.wire import BoardCreate, BoardGroupSnapshot, BoardRead, BoardSnapshot, BoardUpdate, Page
from api.schema import boards, snapshots
from api.schema.gates import board_read, board_write, organization_admin, organization_member

TAGS = ("boards",)

ROWS = [
    get("/boards", boards.board_page, name="list_boards", summary="List boards", tags=TAGS, who=USER,
        gate=organization_member, query=BoardQuery, returns=Page[BoardRead]),
    post("/boards", boards.create_board, name="create_board", summary="Create a board", tags=TAGS, who=USER,
         gate=organization_admin, body=BoardCreate, returns=BoardRead),
    get("/boards/{board_id}", boards.board, name="get_board", summary="Read a board", tags=TAGS, who=USER,
        gate=board_read, returns=BoardRead),
    patch("/boards/{board_id}", boards.update_board, name="update_board", summary="Change a board", tags=TAGS, who=USER,
          gate=board_write, body=BoardUpdate, returns=BoardRead),
    delete("/boards/{board_id}", boards.delete_board, name="delete_board", summary="Delete a board", tags=TAGS,
           who=USER, gate=board_write),
    get("/boards/{board_id}/snapshot", snapshots.board_snapshot, name="get_board_snapshot",
        summary="Read a whole board", tags=TAGS, gate=board_read, returns=BoardSnapshot),
    get("/boards/{board_id}/group-snapshot", snapshots.group_snapshot_of_board, name="get_board_group_snapshot",
        summary="See the other boards of a board's group", tags=(*TAGS, "agent-lead", "agent-worker"), gate=board_read,
        query=BoardGroupSnapshotQuery, returns=BoardGroupSnapshot),
]  # fmt: skip
