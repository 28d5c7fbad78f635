"""Webhooks: what comes in for a board's lead, and what goes out to people who are away."""
