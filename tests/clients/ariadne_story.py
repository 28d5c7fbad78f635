"""Uses the client that ariadne-codegen has made: typed queries and a mutation on the live server."""

import asyncio
import json
import os
import sys

sys.path.insert(0, os.environ["OUT"])
from graphql_client import Client, TaskStatus, UpdateTaskInput  # type: ignore[import-not-found]


async def main() -> None:
    """Query a board, move its task, follow nothing."""
    headers = {"Authorization": f"Bearer {os.environ['GRAPHQL_TOKEN']}"}
    client = Client(url=os.environ["GRAPHQL_URL"], headers=headers)
    found = await client.overview(board=os.environ["BOARD_ID"])
    moved = await client.move(UpdateTaskInput(id=os.environ["TASK_ID"], status=TaskStatus.IN_PROGRESS))
    print(json.dumps([found.board.name, found.board.tasks.nodes[0].title, moved.update_task.task.status.value]))


asyncio.run(main())
