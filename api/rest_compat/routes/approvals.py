"""Approvals."""

from api.rest_compat import payloads
from api.rest_compat.queries import ApprovalQuery
from api.rest_compat.table import USER, get, patch, post, stream
from api.rest_compat.wire import ApprovalCreate, ApprovalRead, ApprovalUpdate, Page
from api.schema import approvals
from api.schema.gates import approval_write, board_read, board_write

TAGS = ("approvals",)

ROWS = [
    get("/boards/{board_id}/approvals", approvals.approval_page, name="list_approvals", summary="List approvals",
        tags=TAGS, gate=board_read, query=ApprovalQuery, returns=Page[ApprovalRead]),
    post("/boards/{board_id}/approvals", approvals.request_approval, name="create_approval",
         summary="Ask for a decision", tags=TAGS, gate=board_write, body=ApprovalCreate, returns=ApprovalRead),
    stream("/boards/{board_id}/approvals/stream", payloads.APPROVALS, name="stream_approvals",
           summary="Follow approvals", tags=TAGS, gate=board_read),
    patch("/boards/{board_id}/approvals/{approval_id}", approvals.decide_approval, name="update_approval",
          summary="Decide an approval", tags=TAGS, who=USER, gate=approval_write, body=ApprovalUpdate,
          returns=ApprovalRead),
]  # fmt: skip
