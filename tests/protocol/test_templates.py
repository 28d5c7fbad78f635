"""What agents are told: short, complete, and true of the API that there is."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from api.cli import main
from api.domain.agents.tables import Agent
from api.domain.boards.tables import Gateway
from api.domain.gateways.workspaces import variables
from api.domain.users.tables import User
from api.gateway.compat import DIALECTS
from api.gateway.provisioning.files import VARIABLES, AgentKind, render
from api.gateway.provisioning.workspace import Workspace
from tests.protocol.conftest import Place


@pytest.fixture(scope="module")
def team(home: Place) -> dict[str, str]:
    board = home.world.board(gateway_id=home.id, max_agents=5, objective="Ship it")
    lead, worker = home.agent(board, "Lead", lead=True), home.agent(board, "Worker")
    draft = {"title": "By the lead", "assigned_agent_id": worker}
    task = home.world.ok("POST", f"/agent/boards/{board['id']}/tasks", home.token(lead), json=draft)["id"]
    return {"BOARD": board["id"], "AGENT": worker, "TASK": task, "lead": lead, "worker": worker, "main": home.main()}


def commands(text: str) -> list[str]:
    """The lines of the shell blocks of a file."""
    blocks = re.findall(r"```sh\n(.*?)```", text, re.S)
    lines = [line for block in blocks for line in block.splitlines() if line.strip()]
    return lines + re.findall(r"`(curl [^`]+)`", text)


@pytest.mark.parametrize("kind", ["worker", "lead", "main"])
def test_every_command_of_the_files_works(home: Place, team: dict[str, str], kind: str, tmp_path: Path) -> None:
    assert shutil.which("curl"), "agents have curl; so must who tests them"
    files = home.fake.files[home.key(team[kind])]
    (tmp_path / "memory").mkdir()
    found = [(name, line) for name, text in sorted(files.items()) for line in commands(text)]
    assert len(found) >= 4
    for name, line in found:
        for word in ("TASK", "AGENT", "BOARD"):
            line = re.sub(rf"(?<=[/\"]){word}(?=[/\"?])", team[word], line)
        if "jq " in line and not shutil.which("jq"):
            continue
        done = subprocess.run(
            ["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=30
        )
        assert done.returncode == 0, (name, line, done.stdout, done.stderr)
    if kind == "lead":
        home.world.sql("UPDATE tasks SET status = 'inbox' WHERE id = $1", UUID(team["TASK"]))


@pytest.mark.parametrize("kind", ["worker", "lead", "main"])
def test_every_path_that_the_files_name_exists_for_that_agent(home: Place, team: dict[str, str], kind: str) -> None:
    document = home.world.rest("GET", "/../../openapi.json").json()["paths"]
    patterns = {re.compile(re.sub(r"\{\w+\}", "[^/]+", path) + "$"): value for path, value in document.items()}
    named = set()
    for text in home.fake.files[home.key(team[kind])].values():
        named |= {path.rstrip(".") for path in re.findall(r"/api/v1/[\w/-]+", text)}
    assert named
    for path in named:
        tags = [operation.get("tags", []) for pattern, value in patterns.items() if pattern.match(path)
                for operation in value.values()]  # fmt: skip
        assert any(f"agent-{kind}" in one for one in tags), path


def test_nothing_to_do_costs_one_short_request(home: Place, team: dict[str, str]) -> None:
    home.settled()
    token = home.token(team["worker"])
    cursor = home.world.ok("GET", "/agent/inbox", token)["cursor"]
    answer = home.world.rest("GET", f"/agent/inbox?after={cursor}", token)
    assert answer.json()["messages"] == [] and len(answer.content) < 300


def test_the_files_keep_their_budget(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["templates", "--budget"]) == 0
    told = capsys.readouterr().out
    totals = {found[1]: int(found[2]) for found in re.finditer(r"protocol 4 +(\w+) +(\d+) of", told)}
    assert totals.keys() == {"worker", "lead", "main"}
    assert totals["worker"] <= 12 * 1024 and totals["lead"] <= 20 * 1024


@pytest.mark.acceptance("provisioning-and-templates.17")
@pytest.mark.parametrize("kind", list(AgentKind))
@pytest.mark.parametrize("protocol", sorted(DIALECTS))
def test_templates_need_the_named_variables_and_no_others(kind: AgentKind, protocol: int) -> None:
    values = {name: f"<{name}>" for name in VARIABLES}
    found = render(kind, values, DIALECTS[protocol])
    assert set(found) <= DIALECTS[protocol].files and "AGENTS.md" in found
    used = set(re.findall(r"<(\w+)>", "".join(found.values())))
    assert {"agent_name", "auth_token", "base_url"} <= used <= set(VARIABLES)


@pytest.mark.acceptance("provisioning-and-templates.16")
def test_what_is_said_of_an_agent_s_autonomy_is_in_its_files(home: Place) -> None:
    board = home.world.board(gateway_id=home.id)
    lead = home.agent(board, "Asks", lead=True)
    home.world.ok("PATCH", f"/agents/{lead}", json={"identity_profile": {"autonomy_level": "ask_first"}})
    home.settled()
    assert "ask_first" in home.fake.files[home.key(lead)]["IDENTITY.md"]


@pytest.mark.acceptance("provisioning-and-templates.8")
def test_places_are_below_the_root() -> None:
    assert Workspace.place("~/.openclaw/", AgentKind.WORKER, "mc-X y").startswith("~/.openclaw/workspace-")
    assert Workspace.place("/w", AgentKind.WORKER, "mc-A b!") == "/w/workspace-mc-a-b"


@pytest.mark.acceptance("provisioning-and-templates.9")
@pytest.mark.parametrize(
    ("name", "email", "shown", "called"),
    [(None, "jane.doe@example.com", "jane.doe@example.com", "jane.doe"), ("Jane Doe", "x@x.com", "Jane Doe", "Jane")],
)
def test_whom_an_agent_works_for(name: str | None, email: str, shown: str, called: str) -> None:
    agent, gateway = Agent(id=uuid4(), name="A", is_board_lead=False), Gateway(id=uuid4(), workspace_root="/w")
    person = User(name=name, email=email)
    found = variables(agent, gateway, None, person, base_url="http://127.0.0.1:1", token="t")
    assert (found["user_name"], found["user_preferred_name"]) == (shown, called)


@pytest.mark.acceptance("provisioning-and-templates.13")
def test_an_agent_that_a_lead_made_works_for_the_owner(home: Place, team: dict[str, str]) -> None:
    draft = {"name": "Made"}
    made = home.world.ok("POST", "/agent/agents", home.token(team["lead"]), json=draft)["id"]
    home.settled()
    assert "Local User" in home.fake.files[home.key(made)]["USER.md"]
