"""Gateways: registered by people, held by one process each, told by jobs."""
