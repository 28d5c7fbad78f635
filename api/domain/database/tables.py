"""Every table, for migrations and for those who need the whole picture."""

from api.domain import idempotency, jobs, limits, tags
from api.domain.activity import tables as activity
from api.domain.agents import tables as agents
from api.domain.approvals import tables as approvals
from api.domain.boards import tables as boards
from api.domain.custom_fields import tables as custom_fields
from api.domain.database.base import Base
from api.domain.events import tables as events
from api.domain.gateways import tables as gateways
from api.domain.memory import tables as memory
from api.domain.onboarding import tables as onboarding
from api.domain.organizations import tables as organizations
from api.domain.skills import tables as skills
from api.domain.tasks import tables as tasks
from api.domain.users import tables as users
from api.domain.webhooks import tables as webhooks

metadata = Base.metadata
ROOMS = (
    activity, agents, approvals, boards, custom_fields, events, gateways, idempotency, jobs, limits, memory, onboarding,
    organizations, skills, tags, tasks, users, webhooks,
)  # fmt: skip
