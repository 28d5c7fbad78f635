"""Uses the client that openapi-python-client has made, as an agent: heartbeat, tasks, a comment."""

import json
import os
import sys
from uuid import UUID

sys.path.insert(0, os.environ["OUT"])
from api_client import Client  # type: ignore[import-not-found]
from api_client.api.agent import (  # type: ignore[import-not-found]
    agent_heartbeat_api_v1_agent_heartbeat_post as heartbeat,
)
from api_client.api.agent import (
    create_task_comment_api_v1_agent_boards_board_id_tasks_task_id_comments_post as comment,
)
from api_client.api.agent import (
    list_tasks_api_v1_agent_boards_board_id_tasks_get as tasks,
)
from api_client.models import TaskCommentCreate  # type: ignore[import-not-found]

client = Client(base_url=os.environ["REST_URL"], raise_on_unexpected_status=True)
token, board = os.environ["AGENT_TOKEN"], UUID(os.environ["BOARD_ID"])
me = heartbeat.sync(client=client, x_agent_token=token)
found = tasks.sync(board, client=client, x_agent_token=token)
said = comment.sync(
    board, found.items[0].id, client=client, body=TaskCommentCreate(message="On it"), x_agent_token=token
)
print(json.dumps([me.name, found.total, said.message]))
