"""Every table, for migrations and for those who need the whole picture."""

from api.domain import idempotency, jobs, tags
from api.domain.activity import tables as activity
from api.domain.agents import tables as agents
from api.domain.approvals import tables as approvals
from api.domain.boards import tables as boards
from api.domain.custom_fields import tables as custom_fields
from api.domain.database.base import Base
from api.domain.events import tables as events
from api.domain.memory import tables as memory
from api.domain.organizations import tables as organizations
from api.domain.tasks import tables as tasks
from api.domain.users import tables as users

metadata = Base.metadata
ROOMS = (
    activity, agents, approvals, boards, custom_fields, events, idempotency, jobs, memory, organizations, tags, tasks,
    users,
)  # fmt: skip
