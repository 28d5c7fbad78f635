"""Tags and custom fields as clients of `/api/v1` know them."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from api.domain.tags.operations import slugify
from tests.support.world import World

FIELDS = "/organizations/me/custom-fields"


@pytest.mark.acceptance("tags-and-custom-fields.1")
def test_slugs_and_tag_ids(world: World) -> None:
    assert slugify("Release / QA") == "release-qa" and slugify("  ###  ") == "tag"
    board = world.board()
    one, two = (world.ok("POST", "/tags", json={"name": f"T {uuid4()}"})["id"] for _ in range(2))
    task = world.task(board, tag_ids=[two, one, two])
    assert task["tag_ids"] == [two, one]
    unknown = [str(uuid4()), str(uuid4())]
    answer = world.rest("POST", f"/boards/{board['id']}/tasks", json={"title": "t", "tag_ids": [one, *unknown]})
    assert answer.status_code == 404 and answer.json()["detail"]["missing_tag_ids"] == unknown
    assert len(world.tasks(board)) == 1


@pytest.mark.acceptance("tags-and-custom-fields.2", "tags-and-custom-fields.3")
def test_tags_on_tasks_and_for_agents(world: World) -> None:
    board, lead, _ = world.team()
    other = world.board()
    one, two = (world.ok("POST", "/tags", json={"name": f"T {uuid4()}"})["id"] for _ in range(2))
    task = world.task(board, tag_ids=[one])
    path = f"/boards/{board['id']}/tasks/{task['id']}"
    assert world.ok("PATCH", path, json={"tag_ids": [two, one, one]})["tag_ids"] == [two, one]
    rows = world.sql("SELECT count(*) AS n FROM tag_assignments WHERE task_id = $1", UUID(task["id"]))
    assert rows[0]["n"] == 2
    listed = world.ok("GET", f"/agent/boards/{board['id']}/tags", lead.token)
    assert {one, two} <= {tag["id"] for tag in listed} and set(listed[0]) == {"id", "name", "slug", "color"}
    assert world.rest("GET", f"/agent/boards/{other['id']}/tags", lead.token).status_code == 403


@pytest.mark.acceptance("tags-and-custom-fields.4")
def test_renaming_a_tag_keeps_its_slug(world: World) -> None:
    board = world.board()
    made = world.ok("POST", "/tags", json={"name": "Needs QA", "color": "#0F172A"})
    assert (made["slug"], made["color"], made["task_count"]) == ("needs-qa", "0f172a", 0)
    world.task(board, tag_ids=[made["id"]])
    path = f"/tags/{made['id']}"
    renamed = world.ok("PATCH", path, json={"name": "Checked"})
    assert (renamed["slug"], renamed["task_count"]) == ("needs-qa", 1)
    assert world.ok("PATCH", path, json={"slug": None})["slug"] == "checked"
    assert world.rest("POST", "/tags", json={"name": "CHECKED"}).status_code == 409
    for wrong in ({}, {"name": None}, {"name": " "}, {"color": "red"}, {"color": None}, {"color": ""}):
        assert world.rest("PATCH", path, json=wrong).status_code == 422, wrong
    assert world.ok("DELETE", path) == {"ok": True} and world.rest("GET", path).status_code == 404


@pytest.mark.acceptance("tags-and-custom-fields.5")
def test_defining_a_field(world: World) -> None:
    board = world.board()["id"]

    def create(**values: Any) -> Any:
        return world.rest("POST", FIELDS, json={"field_key": f"k{uuid4()}", "board_ids": [board], **values})

    made = create(field_key="  Severity ", field_type="Text").json()
    assert (made["field_key"], made["label"], made["field_type"]) == ("Severity", "Severity", "text")
    assert create(field_key="Severity").status_code == 409
    assert isinstance(create(field_type="integer", default_value="x").json()["detail"], str)
    assert create(field_type="integer", validation_regex="1").status_code == 422
    assert create(validation_regex="(").status_code == create(field_type="colour").status_code == 422
    assert create(board_ids=[]).status_code == 422
    unknown = sorted(str(uuid4()) for _ in range(2))
    answer = create(board_ids=[board, *reversed(unknown)])
    assert answer.status_code == 422 and answer.json()["detail"]["invalid_board_ids"] == unknown
    path = f"{FIELDS}/{made['id']}"
    assert (
        world.ok("PATCH", path, json={"validation_regex": "[a-z]+", "ui_visibility": "If Set"})["ui_visibility"]
        == "if_set"
    )
    assert isinstance(world.rest("PATCH", path, json={"field_type": "integer"}).json()["detail"], str)
    for wrong in ({"field_key": "x"}, {}, {"label": None}, {"required": None}, {"board_ids": []}, {"field_type": None}):
        assert world.rest("PATCH", path, json=wrong).status_code == 422, wrong
    assert world.ok("PATCH", path, json={"board_ids": None})["board_ids"] == [board]


VALUES = {
    "text": ("t", 1), "text_long": ("t", []), "integer": (3, 1.5), "decimal": (1.5, True), "boolean": (False, "no"),
    "date": ("2026-01-31", "soon"), "date_time": ("2026-01-31T10:00:00Z", "x"), "url": ("https://x.org/a", "x.org"),
    "json": ({"a": [1]}, "text"),
}  # fmt: skip


@pytest.mark.acceptance("tags-and-custom-fields.6", "tags-and-custom-fields.7")
def test_values_on_tasks(world: World) -> None:
    board = world.board()
    for kind in VALUES:
        world.ok("POST", FIELDS, json={"field_key": f"v_{kind}", "field_type": kind, "board_ids": [board["id"]]})
    need = {"field_key": "need", "required": True, "validation_regex": "[ab]+", "board_ids": [board["id"]]}
    needed = world.ok("POST", FIELDS, json=need)
    path = f"/boards/{board['id']}/tasks"
    good = {**{f"v_{kind}": value for kind, (value, _) in VALUES.items()}, "need": "ab"}
    task = world.task(board, custom_field_values=good)
    assert task["custom_field_values"] == good
    one = f"{path}/{task['id']}"
    for kind, (_, bad) in VALUES.items():
        refused = world.rest("PATCH", one, json={"custom_field_values": {f"v_{kind}": bad}})
        assert refused.status_code == 422, kind
        assert refused.json()["detail"]["field_key"] == f"v_{kind}" and refused.json()["detail"]["reason"]
    unknown = world.rest("PATCH", one, json={"custom_field_values": {"z": 1, "y": 2}}).json()["detail"]
    assert unknown["unknown_field_keys"] == ["y", "z"]
    assert world.rest("PATCH", one, json={"custom_field_values": {"need": "c"}}).json()["detail"]["reason"]
    missing = world.rest("PATCH", one, json={"custom_field_values": {"need": None}})
    assert missing.status_code == 422 and missing.json()["detail"]["missing_field_keys"] == ["need"]
    world.ok("PATCH", one, json={"custom_field_values": None})
    assert world.rest("DELETE", f"{FIELDS}/{needed['id']}").json()["code"] == "IN_USE"
    world.ok("DELETE", f"/boards/{board['id']}")
    assert world.sql("SELECT 1 FROM task_custom_field_values") == []
    assert world.sql("SELECT 1 FROM board_task_custom_fields WHERE board_id = $1", UUID(board["id"])) == []
    world.ok("DELETE", f"{FIELDS}/{needed['id']}")


def test_tasks_are_found_and_ordered_by_their_fields(world: World) -> None:
    board = world.board()
    tag = world.ok("POST", "/tags", json={"name": f"F {uuid4()}"})["id"]
    world.ok("POST", FIELDS, json={"field_key": "points", "field_type": "integer", "board_ids": [board["id"]]})
    for title, points in (("b", 10), ("a", 9), ("c", None)):
        world.task(board, title=title, tag_ids=[tag] if title != "c" else [], custom_field_values={"points": points})
    query = """query($b: ID!, $f: TaskFilter, $o: [TaskOrder!]) {
      board(id: $b) { tasks(filter: $f, orderBy: $o) { nodes { title } } } }"""

    def titles(**variables: Any) -> list[str]:
        found = world.gql(query, b=board["id"], **variables)["board"]["tasks"]["nodes"]
        return [one["title"] for one in found]

    assert titles(f={"customFields": [{"key": "points", "equals": 9}]}) == ["a"]
    assert titles(f={"customFields": [{"key": "points", "isSet": False}]}) == ["c"]
    assert titles(f={"customFields": [{"key": "points", "atLeast": 9.5}]}) == ["b"]
    assert titles(f={"tagIds": [tag]}, o=["TITLE"]) == ["a", "b"]
    ordered = world.gql(
        'query($b: ID!) { board(id: $b) { tasks(orderByField: {key: "points"}) { nodes { title } } } }', b=board["id"]
    )["board"]["tasks"]["nodes"]
    assert [one["title"] for one in ordered] == ["a", "b", "c"]
