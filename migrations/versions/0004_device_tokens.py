"""device tokens"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("gateway_links", sa.Column("device_token", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("gateway_links", "device_token")
