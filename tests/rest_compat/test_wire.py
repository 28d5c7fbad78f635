"""The OpenAPI document is the documented wire, and every difference is explained."""

from __future__ import annotations

import re
from typing import Any

import pytest

from api.app import app_version
from api.rest_compat import openapi
from api.rest_compat.routes import ROWS
from tests.support import wire_diff

#: Each pattern with the reason that docs/compatibility.md gives for it.
EXPLAINED = {
    r"\S+ \S+ parameters \('path', '\w+'\): .*'format': 'uuid'\} instead of "
    r"\{'required': True, 'type': 'string'\}": "bad UUIDs are 422 (decision 9)",
    r"\S+ \S+ responses (400|401|403|404|409|410|413|422|429|502|503): \('application/json', \{'\$ref': "
    r"'LLMErrorResponse'\}\) instead of None": "every refusal is listed",
    r"GET \S+ responses 200: \('text/event-stream'.*": "streams are declared as what they are",
    r"schema (AgentRead|AgentHealthStatusResponse)\.gateway_id: .*": "agents without a gateway (decision 22)",
    r"\S+ \S+ tags: .*'agent-main'\] instead of .*": "the main agent's routes carry its tag (decision 40)",
    r"\S+ /api/v1/gateways/\S+ parameters \('query', 'board_id'\): .*'format': 'uuid'.*": "bad ids: 422 (decision 9)",
    r"GET /api/v1/agent/inbox: ours only|schema (AgentInboxRead|InboxMessage): ours only": "a heartbeat in one request",
}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return openapi.document(ROWS, app_version())


@pytest.mark.acceptance("http-conventions.19")
@pytest.mark.acceptance("tasks.13", "agent-api.16")
def test_the_document_is_the_wire(document: dict[str, Any]) -> None:
    found = wire_diff.differences(document)
    unexplained = [line for line in found if not any(re.fullmatch(p, line) for p in EXPLAINED)]
    assert unexplained == []
    unused = [pattern for pattern in EXPLAINED if not any(re.fullmatch(pattern, line) for line in found)]
    assert unused == [], "an explanation of nothing"


def test_every_operation_says_what_it_is(document: dict[str, Any]) -> None:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"] and operation["description"], (method, path)
            for status, response in operation["responses"].items():
                assert response["description"], (method, path, status)
            if "requestBody" in operation:
                assert operation["requestBody"]["description"], (method, path)
            good = (operation["responses"].get("200") or operation["responses"]["202"])["content"]
            if operation["tags"] != ["health"] and "application/json" in good:
                assert "example" in good["application/json"], (method, path)
    assert [tag["name"] for tag in document["tags"]] == list(openapi.TAGS)
    used = {tag for methods in document["paths"].values() for one in methods.values() for tag in one["tags"]}
    assert used <= set(openapi.TAGS)
    for name, schema in document["components"]["schemas"].items():
        assert schema.get("description"), name


HINTS = {
    "x-llm-intent", "x-required-actor", "x-when-to-use", "x-when-not-to-use", "x-negative-guidance", "x-prerequisites",
    "x-side-effects", "x-routing-policy", "x-routing-policy-examples",
}  # fmt: skip


@pytest.mark.acceptance("agent-api.16")
def test_hints_for_agents_are_whole(document: dict[str, Any]) -> None:
    hinted = [
        operation for methods in document["paths"].values() for operation in methods.values()
        if HINTS & operation.keys()
    ]  # fmt: skip
    assert len(hinted) == len([row for row in ROWS if row.hints is not None])
    for operation in hinted:
        assert operation.keys() >= HINTS, operation["operationId"]
        for key in HINTS - {"x-llm-intent", "x-required-actor", "x-routing-policy-examples"}:
            assert operation[key] and all(sentence.strip() for sentence in operation[key])
        for example in operation["x-routing-policy-examples"]:
            assert example["input"]["intent"] and example["input"]["required_privilege"] and example["decision"]
