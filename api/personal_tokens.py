"""`mission-control token create | list | revoke`: personal tokens of a running server, over its GraphQL API."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

CREATE = """mutation($input: CreatePersonalTokenInput!) {
  createPersonalToken(input: $input) { secret token { id name expiresAt } }
}"""
LIST = "{ viewer { tokens(first: 200) { nodes { id name createdAt lastUsedAt expiresAt } } } }"
REVOKE = "mutation($input: RevokePersonalTokenInput!) { revokePersonalToken(input: $input) { token { id } } }"


def manage(arguments: argparse.Namespace, url: str, token: str) -> int:
    """Run one of the three actions; returns the exit code."""
    if arguments.action in ("create", "revoke") and not arguments.name:
        print(f"mission-control: token {arguments.action} needs a {'name' if arguments.action == 'create' else 'id'}.")
        return 2
    try:
        if arguments.action == "create":
            return _create(arguments, url, token)
        if arguments.action == "revoke":
            _ask(url, token, REVOKE, {"id": arguments.name})
            print("Revoked.")
            return 0
        for one in _ask(url, token, LIST, None)["viewer"]["tokens"]["nodes"]:
            used, ends = one["lastUsedAt"] or "never", one["expiresAt"] or "never"
            print(f"{one['id']}  {one['name']}  made {one['createdAt']}  used {used}  ends {ends}")
        return 0
    except (httpx.HTTPError, RuntimeError) as error:
        print(f"mission-control: {url}: {error}", file=sys.stderr)
        return 1


def _create(arguments: argparse.Namespace, url: str, token: str) -> int:
    wanted: dict[str, Any] = {"name": arguments.name}
    if arguments.expires_days:
        ends = datetime.now(UTC) + timedelta(days=arguments.expires_days)
        wanted["expiresAt"] = ends.isoformat().replace("+00:00", "Z")
    print(_ask(url, token, CREATE, wanted)["createPersonalToken"]["secret"])
    return 0


def _ask(url: str, token: str, document: str, wanted: dict[str, Any] | None) -> Any:
    answer = httpx.post(
        f"{url}/graphql",
        json={"query": document, "variables": {"input": wanted} if wanted else {}},
        headers={"Authorization": f"Bearer {token}"},
        timeout=10,
    )
    body = answer.json()
    if body.get("errors"):
        raise RuntimeError(body["errors"][0]["message"])
    return body["data"]
