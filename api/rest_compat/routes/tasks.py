"""Tasks and their comments."""

from api.rest_compat import payloads
from api.rest_compat.queries import PageQuery, TaskQuery
from api.rest_compat.table import USER, delete, get, patch, post, stream
from api.rest_compat.wire import (
    BlockedTaskError,
    Page,
    TaskCommentCreate,
    TaskCommentRead,
    TaskCreate,
    TaskRead,
    TaskUpdate,
)
from api.schema import comments, tasks
from api.schema.gates import board_read, board_write, task_read, task_write

TAGS = ("tasks",)
BLOCKED = {409: BlockedTaskError}

ROWS = [
    get("/boards/{board_id}/tasks", tasks.task_page, name="list_tasks", summary="List tasks", tags=TAGS,
        gate=board_read, query=TaskQuery, returns=Page[TaskRead]),
    post("/boards/{board_id}/tasks", tasks.create_task, name="create_task", summary="Create a task", tags=TAGS,
         who=USER, gate=board_write, body=TaskCreate, returns=TaskRead, errors=BLOCKED),
    stream("/boards/{board_id}/tasks/stream", payloads.TASKS, name="stream_tasks", summary="Follow tasks", tags=TAGS,
           gate=board_read),
    patch("/boards/{board_id}/tasks/{task_id}", tasks.update_task, name="update_task", summary="Change a task",
          tags=TAGS, gate=task_write, body=TaskUpdate, returns=TaskRead, errors=BLOCKED,
          fixed={"refuses_blocked": False}),
    delete("/boards/{board_id}/tasks/{task_id}", tasks.delete_task, name="delete_task", summary="Delete a task",
           tags=TAGS, who=USER, gate=task_write),
    get("/boards/{board_id}/tasks/{task_id}/comments", comments.comment_page, name="list_task_comments",
        summary="List comments", tags=TAGS, gate=task_read, query=PageQuery, returns=Page[TaskCommentRead]),
    post("/boards/{board_id}/tasks/{task_id}/comments", comments.comment_on_task, name="create_task_comment",
         summary="Comment on a task", tags=TAGS, gate=task_write, body=TaskCommentCreate, returns=TaskCommentRead),
]  # fmt: skip
