"""Indexes in which the worklist is searched and sorted without reading the cases themselves."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("cases_listed", "cases")
    op.create_index("cases_listed", "cases", ["project_id", "deleted", "created", "label"])
    op.create_index("cases_by_label", "cases", ["project_id", "deleted", "label", "created"])
    op.create_index("cases_by_size", "cases", ["project_id", "deleted", "diameter_mm", "created"])


def downgrade() -> None:
    op.drop_index("cases_by_size", "cases")
    op.drop_index("cases_by_label", "cases")
    op.drop_index("cases_listed", "cases")
    op.create_index("cases_listed", "cases", ["project_id", "deleted", "created"])
