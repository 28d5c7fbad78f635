"""The conversation that sets a board up."""

from api.rest_compat.table import AGENT, USER, get, post
from api.rest_compat.wire import (
    BoardOnboardingAgentComplete,
    BoardOnboardingAgentQuestion,
    BoardOnboardingAnswer,
    BoardOnboardingConfirm,
    BoardOnboardingRead,
    BoardOnboardingStart,
    BoardRead,
)
from api.schema import onboarding
from api.schema.gates import board_of_agent, board_read, board_write

TAGS = ("board-onboarding",)
PATH = "/boards/{board_id}/onboarding"
UPDATE = BoardOnboardingAgentComplete | BoardOnboardingAgentQuestion

ROWS = [
    get(PATH, onboarding.onboarding, name="get_onboarding", summary="Read the conversation", tags=TAGS, who=USER,
        gate=board_read, returns=BoardOnboardingRead),
    post(PATH + "/start", onboarding.start, name="start_onboarding", summary="Begin the conversation", tags=TAGS,
         who=USER, gate=board_write, body=BoardOnboardingStart, returns=BoardOnboardingRead),
    post(PATH + "/answer", onboarding.answer, name="answer_onboarding", summary="Answer the agent", tags=TAGS, who=USER,
         gate=board_write, body=BoardOnboardingAnswer, returns=BoardOnboardingRead),
    post(PATH + "/agent", onboarding.update, name="agent_onboarding_update", summary="Ask the person, or write a draft",
         tags=TAGS, who=AGENT, gate=board_of_agent, body=UPDATE, returns=BoardOnboardingRead),
    post(PATH + "/confirm", onboarding.confirm, name="confirm_onboarding", summary="Confirm the goal", tags=TAGS,
         who=USER, gate=board_write, body=BoardOnboardingConfirm, returns=BoardRead),
]  # fmt: skip
