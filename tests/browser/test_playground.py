"""The playground in a real browser without internet: token, query, documentation, a subscription that sees an event."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tests.support.world import World

RESPONSE = """() => __MONACO.editor.getModels().find(m => m.uri.path.endsWith('response.json')).getValue()"""
ARRIVED = "t => __MONACO.editor.getModels().some(m => m.uri.path.endsWith('response.json') && m.getValue().includes(t))"


def open_playground(chromium: Any, world: World) -> tuple[Any, list[str]]:
    page = chromium.new_context(viewport={"width": 1400, "height": 860}).new_page()
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda request: None if "127.0.0.1" in request.url or request.url.startswith(("data:", "blob:"))
            else problems.append(f"left loopback: {request.url}"))  # fmt: skip
    page.goto(f"{world.server.url}/graphql")
    page.locator(".graphiql-query-editor .monaco-editor .view-line").first.wait_for()
    page.fill("#token", world.token)
    page.get_by_role("button", name="Save").click()
    return page, problems


def write(page: Any, query: str) -> None:
    page.locator(".graphiql-query-editor .monaco-editor .view-lines").click()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(query)


def test_a_person_queries_and_follows_without_internet(chromium: Any, world: World) -> None:
    board = world.board(name="Seen in the browser")
    page, problems = open_playground(chromium, world)

    write(page, "query Names { boards { nodes { name } } }")
    page.keyboard.press("Control+Enter")
    page.wait_for_function(ARRIVED, arg="Seen in the browser")

    write(page, f'subscription Live {{ taskEvents(boardId: "{board["id"]}") {{ kind task {{ title }} }} }}')
    page.keyboard.press("Control+Enter")
    page.get_by_role("button", name="Stop").wait_for()
    page.wait_for_timeout(500)
    world.task(board, title="Arrives by itself")
    page.wait_for_function(ARRIVED, arg="Arrives by itself")

    page.get_by_role("button", name="Show Documentation Explorer").click()
    page.locator(".graphiql-doc-explorer").wait_for()
    picture = os.environ.get("PLAYGROUND_SCREENSHOT")
    if picture:
        page.screenshot(path=str(Path(picture)))
    assert problems == []


def test_a_wrong_token_is_answered_in_words(chromium: Any, world: World) -> None:
    page, _ = open_playground(chromium, world)
    page.fill("#token", "wrong")
    page.get_by_role("button", name="Save").click()
    write(page, "query Me { me { name } }")
    page.keyboard.press("Control+Enter")
    page.wait_for_function(ARRIVED, arg="UNAUTHENTICATED")


def test_the_token_stays_in_this_browser(chromium: Any, world: World) -> None:
    page, _ = open_playground(chromium, world)
    assert page.evaluate("() => localStorage.getItem('mission-control-token')") == world.token
    assert page.context.cookies() == []
