"""The rows of `/api/v1`, a file a module of the documented API."""

from api.rest_compat.routes import (
    activity,
    agent,
    agents,
    approvals,
    boards,
    gateways,
    groups,
    memory,
    onboarding,
    organizations,
    skills,
    tags,
    tasks,
    users,
    webhooks,
)

MODULES = (
    users, agents, organizations, boards, memory, approvals, tasks, tags, groups, activity, webhooks, onboarding,
    skills, gateways, agent,
)  # fmt: skip
ROWS = [row for module in MODULES for row in module.ROWS]
