"""docs/gateway.md: its commands, run as they stand there, lead to an agent on a gateway that is on another host."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.gateway.conftest import wait_for
from tests.gateway.test_pairing import remote
from tests.support.fault_proxy import FaultProxy
from tests.support.openclaw import TOKEN, Gateway
from tests.support.world import World

__all__ = ["remote"]
GUIDE = Path(__file__).resolve().parents[2] / "docs" / "gateway.md"


def test_the_guide_leads_to_an_agent(world: World, remote: tuple[Gateway, FaultProxy], tmp_path: Path) -> None:
    gateway, proxy = remote
    exports, token, register, approve, create, doctor = re.findall(r"```sh\n(.*?)```", GUIDE.read_text(), re.S)
    own = world.services.settings
    (tmp_path / "bin").mkdir()
    for name, target in (
        ("mission-control", Path(sys.executable).parent / "mission-control"),
        ("openclaw", gateway.binary),
    ):
        (tmp_path / "bin" / name).symlink_to(target)
    port = world.server.url.rpartition(":")[2]
    environment = {
        **gateway.environment, "PATH": f"{tmp_path / 'bin'}:{gateway.environment['PATH']}:{os.environ['PATH']}",
        "MISSION_CONTROL_DATA": str(own.data), "DATABASE_URL": world.server.database_url,
        "LOCAL_AUTH_TOKEN": world.token,
        "MISSION_CONTROL_PORT": port, "MISSION_CONTROL_SECRET_KEY": own.secret_key.get_secret_value(),
    }  # fmt: skip

    def sh(text: str, **named: str) -> str:
        for name, value in named.items():
            assert name in text, (name, text)
            text = text.replace(name, value)
        script = exports.replace("http://127.0.0.1:8000", world.server.url) + text
        done = subprocess.run(
            ["bash", "-e", "-c", script], env=environment, cwd=gateway.home, capture_output=True, text=True,
            timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert json.loads(sh(token))["url"].partition("#token=")[2] == TOKEN
    address: dict[str, Any] = {
        "GATEWAY_TOKEN": TOKEN, "ws://127.0.0.1:18789": proxy.url, "~/.openclaw": str(gateway.workspaces),
    }  # fmt: skip
    refused = json.loads(sh(register, **address))
    assert refused["errors"][0]["extensions"]["code"] == "GATEWAY_PAIRING_REQUIRED"
    request = re.search(r"openclaw devices approve ([\w-]+)", refused["errors"][0]["message"])
    assert request is not None
    assert request[1][:8] in sh(approve, REQUEST_ID=request[1])
    made = json.loads(sh(register, **address))["data"]["createGateway"]["gateway"]
    board, agent = create.split("\ncurl")
    board_id = json.loads(sh(board, GATEWAY_ID=made["id"]))["data"]["createBoard"]["board"]["id"]
    agent_id = json.loads(sh("curl" + agent, BOARD_ID=board_id))["data"]["createAgent"]["agent"]["id"]
    wait_for(lambda: world.ok("GET", f"/agents/{agent_id}")["status"] != "updating" and not world.sql(
        "SELECT 1 FROM jobs WHERE kind = 'lifecycle' AND state <> 'done'"), 90)  # fmt: skip
    assert "connected, version" in sh(doctor) and "All is well." in sh(doctor)
