"""Of when a profile's name and telephone number are."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_COLUMNS = ("name_as_of", "phone_as_of")
# What nobody changed here is as old as can be: what the accounts' service says of it is newer.
_FILL = "UPDATE api.profiles SET {} = coalesce(last_sync, to_timestamp(0))"


def upgrade() -> None:
    """Add the columns, filled from the one stamp that there was."""
    for name in _COLUMNS:
        op.add_column("profiles", sa.Column(name, sa.TIMESTAMP(timezone=True)), schema="api")
        op.execute(_FILL.format(name))
        op.alter_column("profiles", name, nullable=False, schema="api")


def downgrade() -> None:
    """Drop them."""
    for name in _COLUMNS:
        op.drop_column("profiles", name, schema="api")
