"""Who a person is and which organisation and boards are theirs, as the documented examples put them."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from tests.support.databases import Databases
from tests.support.server import TOKEN, RunningServer, settings_for
from tests.support.world import World


@pytest.mark.acceptance("auth-and-access.2")
def test_the_first_request_makes_everything(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> None:
    server = RunningServer(databases.clone(), settings_for(tmp_path_factory.mktemp("first"))).start()
    world = World(server)
    world.ok("GET", "/users/me")
    users = world.sql("SELECT clerk_user_id FROM users")
    members = world.sql(
        "SELECT o.name, m.role, m.all_boards_read, m.all_boards_write FROM organization_members m "
        "JOIN organizations o ON o.id = m.organization_id"
    )
    packs = world.ok("GET", "/skills/packs")
    server.stop()
    assert [tuple(row) for row in users] == [("local-auth-user",)]
    assert [tuple(row) for row in members] == [("Personal", "owner", True, True)]
    assert len(packs) == 2


@pytest.mark.acceptance("auth-and-access.3", "auth-and-access.4")
def test_headers_of_people(world: World) -> None:
    for header in (None, f"Basic {TOKEN}", "Bearer", "Bearer wrong", "Bearer wröng".encode()):
        headers = {} if header is None else {"Authorization": header}
        answer = world.http.get("/api/v1/users/me", headers=headers)
        assert (answer.status_code, answer.json()["detail"]) == (401, "Unauthorized"), header
        assert answer.json()["request_id"]
    assert world.http.get("/api/v1/users/me", headers={"Authorization": f"bearer   {TOKEN}"}).status_code == 200


@pytest.mark.acceptance("auth-and-access.17")
def test_when_the_active_organisation_went(world: World) -> None:
    home = world.home()
    older, newer = world.organization(f"Older {uuid4()}"), world.organization(f"Newer {uuid4()}")
    for place in (older, newer):
        world.sql(
            "INSERT INTO organization_members (id, organization_id, user_id, role, all_boards_read, all_boards_write, "
            "created_at, updated_at) SELECT gen_random_uuid(), $1, id, 'owner', true, true, clock_timestamp(), now() "
            "FROM users WHERE clerk_user_id = 'local-auth-user'", UUID(place),
        )  # fmt: skip
    world.ok("DELETE", "/organizations/me")
    assert world.ok("GET", "/organizations/me")["id"] == older != home
    active = world.sql("SELECT active_organization_id FROM users WHERE clerk_user_id = 'local-auth-user'")
    assert str(active[0][0]) == older
    for _ in range(2):
        world.ok("DELETE", "/organizations/me")
    assert world.ok("GET", "/organizations/me")["name"] == "Personal"


@pytest.mark.acceptance("auth-and-access.19")
def test_an_admin_has_no_boards_by_being_one(world: World) -> None:
    board, home = world.board(), world.home()
    admin = world.person(home, "admin")
    path = f"/boards/{board['id']}"
    assert world.rest("GET", path, admin.token).status_code == 403
    assert world.ok("GET", "/boards", admin.token)["items"] == []
    writer = world.person(home, boards={board["id"]: (False, True)})
    assert world.ok("GET", path, writer.token)["id"] == board["id"]
    assert world.rest("PATCH", path, writer.token, json={"objective": "o"}).status_code == 200
