"""The main job: a board runs from nothing to done, watched live, with `gql` as the client."""

import asyncio

from api.demo import story
from tests.support.world import World


def test_a_board_runs_from_nothing_to_done(world: World, capsys: object) -> None:
    asyncio.run(story(world.server.url, world.token))


def test_the_story_prints_what_the_subscription_delivers(world: World, capsys) -> None:  # type: ignore[no-untyped-def]
    asyncio.run(story(world.server.url, world.token))
    told = capsys.readouterr().out
    assert "approval approved  task.done" in told
    assert told.count("task moved") == 4
    assert "task unblocked  “Build the page”" in told
