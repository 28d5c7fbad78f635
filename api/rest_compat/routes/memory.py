"""Board memory."""

from api.rest_compat import payloads
from api.rest_compat.queries import MemoryQuery, MemoryStreamQuery
from api.rest_compat.table import get, post, stream
from api.rest_compat.wire import BoardMemoryCreate, BoardMemoryRead, Page
from api.schema import memory
from api.schema.gates import board_read, board_write

TAGS = ("board-memory",)

ROWS = [
    get("/boards/{board_id}/memory", memory.memory_page, name="list_board_memory", summary="List memory", tags=TAGS,
        gate=board_read, query=MemoryQuery, returns=Page[BoardMemoryRead]),
    post("/boards/{board_id}/memory", memory.write_memory, name="create_board_memory", summary="Write memory",
         tags=TAGS, gate=board_write, body=BoardMemoryCreate, returns=BoardMemoryRead),
    stream("/boards/{board_id}/memory/stream", payloads.MEMORY, name="stream_board_memory", summary="Follow memory",
           tags=TAGS, gate=board_read, query=MemoryStreamQuery),
]  # fmt: skip
