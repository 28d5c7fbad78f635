"""The REST models: field names, defaults and error arrays that clients rely on. `shapes` fills them."""

from api.rest_compat.wire.activity import *
from api.rest_compat.wire.agents import *
from api.rest_compat.wire.approvals import *
from api.rest_compat.wire.base import *
from api.rest_compat.wire.boards import *
from api.rest_compat.wire.gateways import *
from api.rest_compat.wire.memory import *
from api.rest_compat.wire.onboarding import *
from api.rest_compat.wire.people import *
from api.rest_compat.wire.skills import *
from api.rest_compat.wire.snapshots import *
from api.rest_compat.wire.tags import *
from api.rest_compat.wire.tasks import *
from api.rest_compat.wire.webhooks import *
