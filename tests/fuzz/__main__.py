"""Fuzz every operation of the OpenAPI document as a person, a worker, a lead and a main agent, for five minutes in all.

Fails on a server error, on an answer that its document does not allow, and when fewer than four operations in five
were reached with success.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any
from uuid import UUID

from api.logs import configure_logging
from tests.schema.access_scene import make_scene
from tests.support.databases import Databases
from tests.support.fake_gateway import FakeGateway
from tests.support.outside import Outside, archive
from tests.support.server import RunningServer, settings_for
from tests.support.world import World

SECONDS = int(os.environ.get("FUZZ_SECONDS", "70"))
SESSION = "agent:main:main"
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
#: Checks that are left out, and why.
LEFT_OUT = {
    "negative_data_rejection": "unknown keys and parameters are ignored, and types are coerced, as documented",
    "positive_data_acceptance": "rules beyond the schema refuse: ids of others, gates, names in use",
    "ignored_auth": "routes for people and agents take two kinds of credentials; the access matrix tests them",
    "missing_required_header": "no header is required",
    "unsupported_method": "tested by name",
    "use_after_free": "deleting an unknown agent is 200 with nothing done, as documented",
    "ensure_resource_availability": "what was made may be hidden from the caller",
    "response_headers_conformance": "no headers are documented",
    "max_response_time": "never a timed test",
}
#: Event streams never end, and these take away what the others need.
EXCLUDED = r"stream$|^/api/v1/organizations/me$|^/api/v1/users/me$"


def main() -> int:
    """Run it; returns the exit code."""
    outside = Outside({"/site/sitemap.xml": (200, b"<urlset/>"), "/site/api/souls/someone/soul.md": (200, b"# Soul")})
    outside.start()
    for number in range(9):
        packed = (200, archive({"SKILL.md": f"# S{number}"}))
        outside.answers[f"/archives/owner/r{number}/tar.gz/refs/heads/main"] = packed
    databases = Databases()
    folder = Path(tempfile.mkdtemp(prefix="mission-control-fuzz-"))
    settings = settings_for(
        folder, souls_directory_url=f"{outside.url}/site", skill_archive_url=f"{outside.url}/archives",
        allow_private_addresses=True, log_level="CRITICAL",
    )  # fmt: skip
    configure_logging(settings)
    server = RunningServer(databases.clone(), settings).start()
    world = World(server)
    world.me()
    scene = make_scene(world)
    webhook = scene.webhook()
    payload = scene.delivery()
    fake = FakeGateway()
    fake.sessions[SESSION] = {"label": "Main"}
    main_agent = world.main_agent(scene.home)
    gateway = str(world.sql("SELECT gateway_id FROM agents WHERE id::text = $1", main_agent.id)[0]["gateway_id"])
    world.ok("PATCH", f"/gateways/{gateway}", json={"url": fake.url, "token": "tok"})
    world.sql("UPDATE boards SET gateway_id = $1", UUID(gateway))
    scene.conversation()
    known = {
        "board_id": [scene.board["id"], *(world.board()["id"] for _ in range(10))],
        "organization_id": [scene.home],
        "gateway_id": [gateway, *(scene.spare_gateway() for _ in range(5))],
        "gateway_url": [fake.url],
        "session_id": [SESSION],
        "group_id": [scene.group, *(scene.empty_group() for _ in range(10))],
        "task_id": [world.task(scene.board)["id"] for _ in range(20)],
        "agent_id": [scene.agent() for _ in range(5)],
        "approval_id": [scene.approval()],
        "tag_id": [scene.tag() for _ in range(5)],
        "webhook_id": [webhook, *(scene.webhook() for _ in range(10))],
        "task_custom_field_definition_id": [scene.custom_field() for _ in range(5)],
        "payload_id": [payload],
        "member_id": [scene.member() for _ in range(5)],
        "invite_id": [scene.invite() for _ in range(20)],
        "skill_id": [scene.skill() for _ in range(5)],
        "pack_id": [_pack(world, number) for number in range(9)],
        "handle": ["someone"],
        "slug": ["soul"],
    }
    tokens = {
        "user": world.token,
        "worker": scene.tokens["worker"],
        "lead": scene.tokens["lead"],
        "main": main_agent.token,
    }
    reached: dict[str, set[int]] = {}
    failed = False
    for name, token in tokens.items():
        report = folder / f"{name}.har"
        done = _run(server, token, scene.home if name == "user" else "", report, known)
        print(done.stdout[-3500:] if done.returncode else f"{name}: nothing found")
        failed = failed or done.returncode != 0
        for operation, status in _answers(report):
            reached.setdefault(operation, set()).add(status)
        world.sql("DELETE FROM rate_windows")
        assert world.sql("SELECT 1 FROM boards WHERE id = $1", UUID(scene.board["id"])), "the scene's board went"
    document = json.loads(Path("openapi.json").read_text())
    wanted = {
        f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods
        if not re.search(EXCLUDED, path)
    }  # fmt: skip
    good = {name for name, statuses in reached.items() if statuses & {200, 202}}
    share = len(good & wanted) / len(wanted)
    errors = {name: statuses for name, statuses in reached.items() if statuses & {500}}
    reach = f"{len(good & wanted)} ({share:.0%})"
    print(f"operations: {len(wanted)}, reached with success: {reach}, errors: {errors or 'none'}")
    print("not reached:", ", ".join(sorted(wanted - good)))
    server.stop()
    fake.stop()
    databases.stop()
    return 1 if failed or errors or share < 0.8 else 0


def _pack(world: World, number: int) -> str:
    return str(world.ok("POST", "/skills/packs", json={"source_url": f"https://github.com/owner/r{number}"})["id"])


def _run(server: RunningServer, token: str, home: str, report: Path, known: dict[str, Any]) -> Any:
    tools = Path(os.environ.get("CLIENT_TOOLS", ".venv-clients/bin"))
    hooks = {"SCHEMATHESIS_HOOKS": "tests.fuzz.hooks", "FUZZ_KNOWN": json.dumps(known), "PYTHONPATH": str(Path.cwd())}
    arguments = {
        "--url": server.url, "-H": f"Authorization: Bearer {token}", "--checks": CHECKS,
        "--exclude-path-regex": EXCLUDED, "--max-time": str(SECONDS), "--max-examples": "15",
        "--phases": "examples,coverage,fuzzing,stateful", "--report-har-path": str(report), "--seed": "7",
        "--suppress-health-check": "all", "--request-timeout": "20", "--generation-database": "none",
        "--warnings": "off",
    }  # fmt: skip
    command = [
        str(tools / "schemathesis"),
        "run",
        str(_document(report.parent, known)),
        "--continue-on-failure",
        "--no-color",
    ]
    if home:  # New organisations become the active one; the scene is in this one.
        command += ["-H", f"X-Organization-Id: {home}"]
    return subprocess.run(
        [*command, *(word for pair in arguments.items() for word in pair)],
        capture_output=True, text=True, env={**os.environ, **hooks}, check=False, timeout=SECONDS * 4 + 120,
    )  # fmt: skip


def _document(folder: Path, known: dict[str, Any]) -> Path:
    """Our document as the answers are, in the two places where the documented schemas are not exact.

    Times carry no offset, which the format `date-time` asks for; a rule that refuses a well-formed body answers 422
    with a message, where the schema knows only the list of a validation error.
    """
    document = json.loads(Path("openapi.json").read_text(), object_hook=_naive)
    detail = document["components"]["schemas"]["HTTPValidationError"]["properties"]["detail"]
    document["components"]["schemas"]["HTTPValidationError"]["properties"]["detail"] = {
        "anyOf": [detail, {"type": "string"}, {"type": "object", "required": ["message"]}]
    }
    # A gateway that is not there is a 502, as documented; the one that is there answers.
    text = json.dumps(document).replace("ws://127.0.0.1:18789", known["gateway_url"][0])
    (folder / "openapi.json").write_text(text)
    return folder / "openapi.json"


def _naive(node: dict[str, Any]) -> dict[str, Any]:
    if node.get("format") == "date-time":
        rest = {key: value for key, value in node.items() if key != "format"}
        return {**rest, "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?$"}
    return node


def _answers(report: Path) -> Any:
    """Every operation that was asked with its status."""
    if not report.exists():
        return
    document = json.loads(Path("openapi.json").read_text())
    patterns = [
        (re.compile("^" + re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path)) + "$"), path, path.count("{"))
        for path in document["paths"]
    ]
    patterns.sort(key=lambda one: one[2])
    for entry in json.loads(report.read_text())["log"]["entries"]:
        path = re.sub(r"^https?://[^/]+", "", entry["request"]["url"]).partition("?")[0]
        for pattern, name, _ in patterns:
            if pattern.match(path):
                yield f"{entry['request']['method']} {name}", entry["response"]["status"]
                break


if __name__ == "__main__":
    sys.exit(main())
