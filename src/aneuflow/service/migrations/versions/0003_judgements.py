"""Readers' own judgements, and whether a project asks for them before it shows a grade."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "judgements",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("case_id", sa.String(length=32), nullable=False),
        sa.Column("user_id", sa.String(length=32), nullable=False),
        sa.Column("risk", sa.String(length=16), nullable=False),
        sa.Column("confidence", sa.Integer(), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("grade", sa.String(length=24), nullable=False),
        sa.Column("grade_sha256", sa.String(length=64), nullable=False),
        sa.Column("is_blind", sa.Boolean(), nullable=False),
        sa.Column("created", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("judgements", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_judgements_case_id"), ["case_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_judgements_user_id"), ["user_id"], unique=False)
    # Not in a batch: SQLite would make the table anew for it, and lose what belongs to the rows of the old one.
    op.add_column("projects", sa.Column("judgement_first", sa.Boolean(), nullable=False, server_default="0"))


def downgrade() -> None:
    op.drop_column("projects", "judgement_first")
    op.drop_table("judgements")
