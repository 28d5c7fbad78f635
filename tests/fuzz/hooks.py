"""What Schemathesis knows of the scene: ids of things that exist, so that it reaches beyond 404."""

import json
import os
import random

import schemathesis

KNOWN = json.loads(os.environ["FUZZ_KNOWN"])


def _known(context, values):
    """Mostly ids of the scene: the first of each kind stays, the others may be deleted."""
    operation = context.operation
    gone = operation.path.rpartition("{")[2].rstrip("}") if operation.method.lower() == "delete" else None
    for name in list(values or {}):
        if name in KNOWN and random.random() < 0.9:
            values[name] = random.choice(KNOWN[name][1:] or KNOWN[name]) if name == gone else KNOWN[name][0]
    return values


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    """Paths lead to what exists."""
    return _known(context, path_parameters)


@schemathesis.hook
def map_query(context, query):
    """And so do queries."""
    return _known(context, query)


@schemathesis.hook
def map_body(context, body):
    """References in bodies, too."""
    if isinstance(body, dict):
        for name in list(body):
            if name in ("board_id", "organization_id", "gateway_id", "board_group_id") and random.random() < 0.8:
                body[name] = KNOWN[name.replace("board_group_id", "group_id")][0]
            if name == "board_ids" and isinstance(body[name], list) and random.random() < 0.8:
                body[name] = KNOWN["board_id"][:1]
            if name == "source_url" and random.random() < 0.8:
                body[name] = f"https://github.com/owner/r{random.randrange(9)}"
            if name == "invited_email" and random.random() < 0.8:
                body[name] = f"f{random.randrange(10**9)}@example.org"
            if name == "url" and isinstance(body[name], str) and body[name].startswith("ws"):
                body[name] = KNOWN["gateway_url"][0]
            if name in ("tag_ids", "depends_on_task_ids", "assigned_agent_id", "custom_field_values", "task_ids",
                        "task_id", "agent_id", "validation_regex") and random.random() < 0.8:  # fmt: skip
                del body[name]
    return body
