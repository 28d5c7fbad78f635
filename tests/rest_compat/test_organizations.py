"""Organisations, members and invites as clients of `/api/v1` know them."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from api.domain.actor import SYSTEM
from api.domain.actor import User as SignedIn
from api.domain.errors import Code, DomainError
from api.domain.organizations import invites
from api.domain.organizations.operations import welcome
from tests.support.world import Person, World

ME = "/organizations/me"


def email(person: Person) -> str:
    return f"{person.id}@example.org"


def organization(world: World, name: str | None = None) -> tuple[str, Person]:
    """An organisation of its own for a test, with an owner who reaches every board."""
    home = world.organization(name or f"Org {uuid4()}")
    return home, world.person(home, "owner", read=True, write=True)


def board(world: World, owner: Person, **values: Any) -> str:
    draft = {"name": "b", "slug": "b", "description": "d", **values}
    return str(world.ok("POST", "/boards", owner.token, json=draft)["id"])


def detail(answer: Any, status: int) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json()["detail"]


@pytest.mark.acceptance("organizations-and-users.1", "organizations-and-users.2")
def test_making_an_organisation_and_its_name(world: World) -> None:
    world.ok("POST", "/organizations", json={"name": "  Acme "})
    listed = world.ok("GET", f"{ME}/list")
    assert [one["name"] for one in listed if one["is_active"]] == ["Acme"]
    member = world.ok("GET", f"{ME}/member")
    assert (member["role"], member["all_boards_read"], member["all_boards_write"]) == ("owner", True, True)
    assert detail(world.rest("POST", "/organizations", json={"name": "ACME"}), 409) == "Conflict"
    assert detail(world.rest("POST", "/organizations", json={"name": "   "}), 422) == "Unprocessable Entity"
    assert detail(world.rest("POST", "/organizations", json={}), 422)[0]["loc"] == ["body", "name"]
    assert world.rest("POST", "/organizations", json={"name": "a\x00b"}).status_code == 422
    home = next(one["id"] for one in listed if one["name"] == "Personal")
    world.ok("PATCH", f"{ME}/active", json={"organization_id": home})
    assert world.ok("GET", ME)["id"] == home


@pytest.mark.acceptance("organizations-and-users.3")
def test_a_foreign_organisation_and_none_look_the_same(world: World) -> None:
    foreign, _ = organization(world)
    answers = [
        world.rest("PATCH", f"{ME}/active", json={"organization_id": one}).json() for one in (foreign, str(uuid4()))
    ]
    assert answers[0]["detail"] == answers[1]["detail"] and answers[0].keys() == answers[1].keys()
    assert answers[0]["code"] == "FORBIDDEN"


@pytest.mark.acceptance("organizations-and-users.4")
def test_nothing_of_a_deleted_organisation_is_left(world: World) -> None:
    made = world.ok("POST", "/organizations", json={"name": f"Gone {uuid4()}"})
    home = UUID(made["id"])
    world.main_agent(made["id"])
    group = world.ok("POST", "/board-groups", json={"name": "g", "slug": "g"})["id"]
    world.ok("POST", f"/board-groups/{group}/memory", json={"content": "c"})
    here = world.board(board_group_id=group)
    tag = world.ok("POST", "/tags", json={"name": "t"})["id"]
    field = {"field_key": "k", "board_ids": [here["id"]], "default_value": "v"}
    world.ok("POST", f"{ME}/custom-fields", json=field)
    lead = world.agent(here, "Lena", lead=True)
    task = world.task(here, tag_ids=[tag], assigned_agent_id=lead.id)
    world.ok("POST", f"/boards/{here['id']}/tasks/{task['id']}/comments", json={"message": "m"})
    world.ok("POST", f"/boards/{here['id']}/approvals", lead.token, json={
        "action_type": "x", "confidence": 1, "lead_reasoning": "r", "task_ids": [task["id"]],
    })  # fmt: skip
    hook = world.ok("POST", f"/boards/{here['id']}/webhooks", json={"description": "d"})["id"]
    assert world.rest("POST", f"/boards/{here['id']}/webhooks/{hook}", json={}).status_code == 202
    world.ok("POST", f"/boards/{here['id']}/onboarding/start", json={})
    world.ok("POST", "/skills/packs", json={"source_url": "https://github.com/o/r"})
    skill = world.ok("POST", "/skills/marketplace", json={"source_url": "https://example.org/s"})["id"]
    gateway = world.sql("SELECT id FROM gateways WHERE organization_id = $1", home)[0]["id"]
    world.ok("POST", f"/skills/marketplace/{skill}/install?gateway_id={gateway}")
    world.ok("POST", f"{ME}/invites", json={"invited_email": "x@example.org"})
    assert world.ok("DELETE", ME) == {"ok": True}
    tables = world.sql(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public' AND "
        "column_name IN ('organization_id', 'board_id', 'gateway_id', 'task_id', 'agent_id', 'board_group_id')"
    )
    keys = {
        "organization_id": [home], "board_id": [UUID(here["id"])], "gateway_id": [gateway],
        "task_id": [UUID(task["id"])],
        "agent_id": [UUID(lead.id)], "board_group_id": [UUID(group)],
    }  # fmt: skip
    left = {
        (row["table_name"], row["column_name"]): count
        for row in tables
        if (count := world.sql(
            f"SELECT count(*) AS n FROM {row['table_name']} WHERE {row['column_name']} = ANY($1)",
            keys[row["column_name"]],
        )[0]["n"])
    }  # fmt: skip
    assert left == {("events", "organization_id"): 1}, "one tombstone and nothing else"
    assert world.ok("GET", ME)["id"] != made["id"]


@pytest.mark.acceptance("organizations-and-users.5", "organizations-and-users.6", "organizations-and-users.7")
def test_what_roles_may_do(world: World) -> None:
    home, owner = organization(world)
    admin, plain = world.person(home, "admin"), world.person(home)
    assert world.rest("DELETE", ME, admin.token).status_code == 403
    assert world.ok("GET", ME, owner.token)["id"] == home
    assert world.ok("GET", f"{ME}/members", plain.token)["total"] == 3
    world.ok("GET", f"{ME}/members/{plain.member_id}", plain.token)
    assert world.rest("GET", f"{ME}/members/{admin.member_id}", plain.token).status_code == 403
    assert world.rest("GET", f"{ME}/invites", plain.token).status_code == 403

    def change(person: Person, token: str, role: Any) -> int:
        return world.rest("PATCH", f"{ME}/members/{person.member_id}", token, json={"role": role}).status_code

    assert change(plain, admin.token, "owner") == change(admin, admin.token, "owner") == 403
    assert change(owner, admin.token, "member") == 403
    assert change(plain, owner.token, "wizard") == change(plain, owner.token, None) == 422
    kept = world.ok("PATCH", f"{ME}/members/{plain.member_id}", owner.token, json={})
    assert kept["role"] == "member"
    assert (
        world.ok("PATCH", f"{ME}/members/{plain.member_id}", owner.token, json={"role": " Admin "})["role"] == "admin"
    )


@pytest.mark.acceptance("organizations-and-users.8")
def test_the_last_owner_stays(world: World) -> None:
    home, owner = organization(world)
    path = f"{ME}/members/{owner.member_id}"
    answer = world.rest("PATCH", path, owner.token, json={"role": "member"})
    assert isinstance(detail(answer, 409), str) and answer.json()["code"] == "LAST_OWNER"
    assert world.ok("GET", f"{ME}/member", owner.token)["role"] == "owner"
    leave = "mutation($id: ID!) { leaveOrganization(input: {id: $id}) { deletedId } }"
    assert world.code(leave, owner.token, id=home) == "LAST_OWNER"
    heir = world.person(home)
    transfer = "mutation($id: ID!) { transferOwnership(input: {id: $id}) { member { role } } }"
    moved = world.gql(transfer, owner.token, id=heir.member_id)
    assert moved["transferOwnership"]["member"]["role"] == "OWNER"
    assert world.ok("GET", f"{ME}/member", owner.token)["role"] == "admin"
    world.gql(leave, owner.token, id=home)
    assert world.rest("GET", ME, owner.token).status_code in (401, 403)


@pytest.mark.acceptance(
    "organizations-and-users.9",
    "organizations-and-users.10",
    "organizations-and-users.11",
    "organizations-and-users.12",
)
def test_access_is_replaced_as_a_whole(world: World) -> None:
    home, owner = organization(world)
    plain, foreign = world.person(home), world.board()["id"]
    one, two = board(world, owner), board(world, owner)
    path = f"{ME}/members/{plain.member_id}"

    def put(**body: Any) -> Any:
        return world.rest("PUT", f"{path}/access", owner.token, json=body)

    answer = put(board_access=[{"board_id": one}]).json()
    assert [(row["board_id"], row["can_write"]) for row in answer["board_access"]] == [(one, False)]
    assert world.ok("GET", path, owner.token)["board_access"] == answer["board_access"]
    world.ok("GET", f"/boards/{one}", plain.token)
    assert world.rest("PATCH", f"/boards/{one}", plain.token, json={"name": "n"}).status_code == 403
    for wrong in ([{"board_id": foreign}], [{"board_id": one}, {"board_id": one}]):
        assert put(board_access=wrong).status_code == 422
    world.ok("GET", f"/boards/{one}", plain.token)
    everything = put(board_access=[{"board_id": one}], all_boards_write=True).json()
    assert (everything["all_boards_read"], everything["board_access"]) == (False, [])
    world.ok("PATCH", f"/boards/{two}", plain.token, json={"name": "n"})
    assert put().status_code == 200
    assert world.ok("GET", "/boards", plain.token)["items"] == []


@pytest.mark.acceptance("organizations-and-users.13", "organizations-and-users.14")
def test_removing_a_member(world: World) -> None:
    home, owner = organization(world)
    admin, plain = world.person(home, "admin"), world.person(home)
    elsewhere = world.organization()
    world.sql(
        "INSERT INTO organization_members (id, organization_id, user_id, role, all_boards_read, all_boards_write, "
        "created_at, updated_at) VALUES ($1, $2, $3, 'member', false, false, now(), now())",
        uuid4(), UUID(elsewhere), UUID(plain.id),
    )  # fmt: skip
    assert world.rest("DELETE", f"{ME}/members/{admin.member_id}", admin.token).status_code == 403
    assert world.rest("DELETE", f"{ME}/members/{owner.member_id}", admin.token).status_code == 403
    assert world.ok("DELETE", f"{ME}/members/{plain.member_id}", admin.token) == {"ok": True}
    active = world.sql("SELECT active_organization_id AS id FROM users WHERE id = $1", UUID(plain.id))[0]["id"]
    assert str(active) == elsewhere
    world.ok("DELETE", f"{ME}/members/{admin.member_id}", owner.token)
    found = world.sql("SELECT active_organization_id AS id FROM users WHERE id = $1", UUID(admin.id))[0]["id"]
    assert found is None, "its next request makes an organisation of its own"


@pytest.mark.acceptance("organizations-and-users.15")
def test_an_invite_is_listed_with_its_token_and_sealed_at_rest(world: World) -> None:
    home, owner = organization(world)
    made = world.ok("POST", f"{ME}/invites", owner.token, json={"invited_email": " MEM@x.io "})
    assert made["invited_email"] == "mem@x.io" and len(made["token"]) == 32
    assert world.ok("GET", f"{ME}/invites", owner.token)["items"][0] == made
    stored = world.sql("SELECT token, token_digest FROM organization_invites WHERE id = $1", UUID(made["id"]))[0]
    assert made["token"] not in stored["token"] and stored["token"].startswith("sealed:")
    member = world.person(home)
    again = world.rest("POST", f"{ME}/invites", owner.token, json={"invited_email": email(member).upper()})
    assert detail(again, 409) == "Conflict"
    for wrong in ("", "no-address"):
        assert world.rest("POST", f"{ME}/invites", owner.token, json={"invited_email": wrong}).status_code == 422
    admin = world.person(home, "admin")
    body = {"invited_email": "boss@x.io", "role": "owner"}
    assert world.rest("POST", f"{ME}/invites", admin.token, json=body).status_code == 403


@pytest.mark.acceptance("organizations-and-users.16")
@pytest.mark.acceptance("auth-and-access.18")
def test_a_verified_newcomer_lands_where_it_was_invited(world: World) -> None:
    home, owner = organization(world)
    here = board(world, owner)
    address = f"{uuid4()}@new.example"
    body = {"invited_email": address, "role": "admin", "board_access": [{"board_id": here, "can_write": True}]}
    made = world.ok("POST", f"{ME}/invites", owner.token, json=body)
    subject = f"user-{uuid4()}"
    world.server.run(welcome(world.context(SYSTEM), subject, address, "New", verified=True))
    row = world.sql(
        "SELECT m.role, m.organization_id, a.board_id, a.can_write FROM users u JOIN organization_members m "
        "ON m.user_id = u.id JOIN organization_board_access a ON a.organization_member_id = m.id "
        "WHERE u.clerk_user_id = $1", subject,
    )  # fmt: skip
    assert [(one["role"], str(one["organization_id"]), str(one["board_id"]), one["can_write"]) for one in row] == [
        ("admin", home, here, True)
    ]
    assert world.ok("GET", f"{ME}/invites", owner.token)["total"] == 0
    used = world.rest("POST", "/organizations/invites/accept", json={"token": made["token"]})
    assert used.status_code == 404
    other = f"user-{uuid4()}"
    world.ok("POST", f"{ME}/invites", owner.token, json={"invited_email": f"un{address}"})
    world.server.run(welcome(world.context(SYSTEM), other, f"un{address}", "Unverified"))
    names = world.sql(
        "SELECT o.name FROM users u JOIN organization_members m ON m.user_id = u.id JOIN organizations o "
        "ON o.id = m.organization_id WHERE u.clerk_user_id = $1", other,
    )  # fmt: skip
    assert [one["name"] for one in names] == ["Personal"]


@pytest.mark.acceptance(
    "organizations-and-users.17", "organizations-and-users.18", "organizations-and-users.19",
    "organizations-and-users.20",
)  # fmt: skip
def test_accepting_merges_and_never_lowers(world: World) -> None:
    home, owner = organization(world)
    here, gone = board(world, owner), board(world, owner)
    admin, stranger = world.person(home, "admin"), world.person(world.organization())

    def invite(person: Person, **values: Any) -> dict[str, Any]:
        world.sql("UPDATE users SET email = $1 WHERE id = $2", f"was-{person.id}@x.io", UUID(person.id))
        body = {"invited_email": f"was-{person.id}@x.io", **values}
        if person is admin:
            world.sql("UPDATE users SET email = NULL WHERE id = $1", UUID(person.id))
        made: dict[str, Any] = world.ok("POST", f"{ME}/invites", owner.token, json=body)
        world.sql("UPDATE users SET email = $1 WHERE id = $2", f"was-{person.id}@x.io", UUID(person.id))
        return made

    def accept(person: Person, token: str) -> Any:
        """Signed in as the person; a personal token stays in its organisation."""
        context = world.context(SignedIn(UUID(person.id), "Person", None, {}))
        try:
            return world.server.run(invites.accept(context, token))
        except DomainError as error:
            return error

    made = invite(admin, board_access=[{"board_id": here}])
    assert accept(stranger, made["token"]).code is Code.FORBIDDEN
    world.sql("UPDATE users SET email = NULL WHERE id = $1", UUID(stranger.id))
    assert accept(stranger, made["token"]).code is Code.FORBIDDEN
    sealed = world.sql("SELECT token FROM organization_invites WHERE id = $1", UUID(made["id"]))[0]["token"]
    assert accept(admin, sealed).code is Code.NOT_FOUND, "what is stored is no token"
    assert world.ok("GET", f"{ME}/invites", owner.token)["total"] == 1
    assert accept(admin, made["token"]).role == "admin"
    kept = world.ok("GET", f"{ME}/member", admin.token)
    assert [row["board_id"] for row in kept["board_access"]] == [here]
    world.ok("GET", f"/boards/{here}", admin.token)
    removed = world.ok("DELETE", f"{ME}/invites/{made['id']}", owner.token)
    assert removed["id"] == made["id"] and removed["accepted_by_user_id"] == admin.id
    assert world.rest("DELETE", f"{ME}/invites/{made['id']}", owner.token).status_code == 404
    world.ok("GET", f"/boards/{here}", admin.token)
    both = invite(stranger, board_access=[{"board_id": here}, {"board_id": gone}])
    world.ok("DELETE", f"/boards/{gone}", owner.token)
    joined = accept(stranger, both["token"])
    rights = world.sql("SELECT board_id FROM organization_board_access WHERE organization_member_id = $1", joined.id)
    assert [str(row["board_id"]) for row in rights] == [here]
    refused = world.rest("POST", "/organizations/invites/accept", admin.token, json={"token": "any"})
    assert refused.status_code == 403


@pytest.mark.acceptance("organizations-and-users.21")
def test_a_profile_keeps_its_address(world: World) -> None:
    before = world.me()["email"]
    changed = world.ok("PATCH", "/users/me", json={"email": "x@y", "timezone": "Europe/Berlin"})
    assert (changed["email"], changed["timezone"]) == (before, "Europe/Berlin")
    assert world.rest("PATCH", "/users/me", json={"timezone": "Nowhere"}).status_code == 422


@pytest.mark.acceptance("organizations-and-users.22", "organizations-and-users.23")
def test_deleting_oneself(world: World) -> None:
    other = world.ok("POST", "/organizations", json={"name": f"Shared {uuid4()}"})
    world.person(other["id"])
    refused = world.rest("DELETE", "/users/me")
    assert detail(refused, 409)["organization_ids"] == [other["id"]]
    me = world.me()["id"]
    world.sql("DELETE FROM organization_members WHERE organization_id = $1 AND user_id::text <> $2",
              UUID(other["id"]), me)  # fmt: skip
    here = world.board()
    world.ok("POST", f"/boards/{here['id']}/webhooks", json={"description": "d"})
    world.ok("POST", "/skills/packs", json={"source_url": "https://github.com/o/own"})
    assert world.ok("DELETE", "/users/me") == {"ok": True}
    assert world.sql("SELECT 1 FROM users WHERE id::text = $1", me) == []
    assert world.sql("SELECT 1 FROM organizations WHERE id = $1", UUID(other["id"])) == []
    assert world.me()["id"] != me, "in local mode the next request is a new user's"


def test_two_owners_cannot_demote_each_other(world: World) -> None:
    from concurrent.futures import ThreadPoolExecutor

    for _ in range(5):
        home, first = organization(world)
        second = world.person(home, "owner")
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(
                lambda pair: world.rest(
                    "PATCH", f"{ME}/members/{pair[1].member_id}", pair[0].token, json={"role": "member"}
                ),
                [(first, second), (second, first)],
            ))  # fmt: skip
        owners = world.sql(
            "SELECT count(*) AS n FROM organization_members WHERE organization_id = $1 AND role = 'owner'", UUID(home)
        )
        assert owners[0]["n"] == 1


def test_what_happens_to_an_organisation_is_streamed(world: World) -> None:
    events = world.sql(
        "SELECT kind FROM events WHERE kind IN ('invite.created', 'access.member', 'organization.renamed')"
    )
    before = len(events)
    _, owner = organization(world)
    world.ok("POST", f"{ME}/invites", owner.token, json={"invited_email": f"{uuid4()}@x.io"})
    world.gql('mutation($n: String!) { updateOrganization(input: {name: $n}) { organization { name } } }', owner.token,
              n=f"N {uuid4()}")  # fmt: skip
    after = world.sql(
        "SELECT kind FROM events WHERE kind IN ('invite.created', 'access.member', 'organization.renamed')"
    )
    assert len(after) == before + 2
