"""Onboarding: the conversation between a person and an agent that sets a board up."""
