"""Introspection can be closed to callers that nobody knows."""

from __future__ import annotations

from tests.support.world import World

SETTINGS = {"introspection_for_anonymous": "false"}
QUERY = "{ __schema { queryType { name } } }"


def test_only_known_callers_introspect_when_it_is_closed(world: World) -> None:
    assert world.code(QUERY, "") == "INTROSPECTION_CLOSED"
    assert world.gql(QUERY)["__schema"]["queryType"]["name"] == "Query"
    assert world.ask("{ __typename }", "")["data"] == {"__typename": "Query"}


def test_a_fragment_does_not_hide_it(world: World) -> None:
    assert world.code("{ ...F } fragment F on Query { __schema { queryType { name } } }", "") == "INTROSPECTION_CLOSED"
    assert world.code('{ ... on Query { __type(name: "Task") { name } } }', "") == "INTROSPECTION_CLOSED"
