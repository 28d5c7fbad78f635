"""Schemathesis against the live server: `make test-fuzz`."""
