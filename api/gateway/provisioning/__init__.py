"""Agents' workspaces on a gateway: what is written there, and how."""
