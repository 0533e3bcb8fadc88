"""Jobs and their workflows, alerts, and deliveries to people.

The CHECK on a delivery's kind learns new words. SQLite cannot alter a CHECK, and copying ten
million deliveries for it would keep receivers away for minutes, so its text is edited where it is
kept: https://www.sqlite.org/lang_altertable.html, section 7, allows that for a CHECK that only
becomes wider. PostgreSQL reads the deliveries once.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
OLD_KINDS = "kind IN ('http', 'python')"
KINDS = "kind IN ('http', 'python', 'email', 'slack', 'apprise')"


def upgrade() -> None:
    allow_kinds()
    create_jobs()
    index_jobs()
    create_job_links()
    create_alerts()


def allow_kinds() -> None:
    if op.get_bind().dialect.name == "sqlite":
        edit_check()
        return
    op.drop_constraint(op.f("deliveries_kind_check"), "deliveries")
    op.create_check_constraint(op.f("deliveries_kind_check"), "deliveries", sa.text(KINDS))


def edit_check() -> None:
    """Do as SQLite's manual says; the number of the schema tells other connections to read it."""
    connection = op.get_bind()
    version = connection.execute(sa.text("PRAGMA schema_version")).scalar_one()
    connection.execute(sa.text("PRAGMA writable_schema = ON"))
    edited = connection.execute(
        sa.text(
            "UPDATE sqlite_master SET sql = replace(sql, :old, :new)"
            " WHERE type = 'table' AND name = 'deliveries' AND instr(sql, :old) > 0"
        ),
        {"old": OLD_KINDS, "new": KINDS},
    )
    if edited.rowcount != 1:
        raise RuntimeError("the table of deliveries is not the one that Hookkeeper made")
    connection.execute(sa.text(f"PRAGMA schema_version = {version + 1}"))
    connection.execute(sa.text("PRAGMA writable_schema = OFF"))


def create_jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", NAME, nullable=False),
        sa.Column("kind", NAME, nullable=False),
        sa.Column("queue", NAME, nullable=False),
        sa.Column("state", NAME, nullable=False),
        sa.Column("arguments", sa.Text(), nullable=False),
        sa.Column("remaining", sa.Integer(), server_default="0", nullable=False),
        sa.Column("paused_at", sa.BigInteger(), nullable=True),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("wake_at", sa.BigInteger(), nullable=True),
        sa.Column("worker_id", NAME, nullable=True),
        sa.Column("claimed_at", sa.BigInteger(), nullable=True),
        sa.Column("starts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("crashes", sa.Integer(), server_default="0", nullable=False),
        sa.Column("progress_step", sa.Text(), nullable=True),
        sa.Column("progress_done", sa.BigInteger(), nullable=True),
        sa.Column("progress_total", sa.BigInteger(), nullable=True),
        sa.Column("progress_message", sa.Text(), nullable=True),
        sa.Column("result", sa.Text(), nullable=True),
        sa.Column("result_ref", sa.Text(), nullable=True),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column("arguments_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("workflow_id", NAME, nullable=True),
        sa.Column("schedule", NAME, nullable=True),
        sa.Column("fire_at", sa.BigInteger(), nullable=True),
        sa.Column("trace_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("cancel_requested_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "state IN ('pending', 'started', 'progress', 'success', 'failure', 'revoked')",
            name=op.f("jobs_state_check"),
        ),
        sa.CheckConstraint(
            "(state = 'pending' AND remaining = 0 AND paused_at IS NULL) = (wake_at IS NOT NULL)",
            name=op.f("jobs_wake_check"),
        ),
        sa.CheckConstraint(
            "(state IN ('started', 'progress'))"
            " = (worker_id IS NOT NULL AND claimed_at IS NOT NULL)",
            name=op.f("jobs_claim_check"),
        ),
        sa.CheckConstraint(
            "(state IN ('success', 'failure', 'revoked')) = (finished_at IS NOT NULL)",
            name=op.f("jobs_finished_check"),
        ),
        sa.CheckConstraint("(schedule IS NULL) = (fire_at IS NULL)", name=op.f("jobs_fire_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("jobs_pkey")),
        sa.UniqueConstraint("kind", "idempotency_key", name=op.f("jobs_kind_idempotency_key_key")),
        sa.UniqueConstraint("schedule", "fire_at", name=op.f("jobs_schedule_fire_at_key")),
    )


def index_jobs() -> None:
    partial("jobs_waiting", ["wake_at", "due_at", "queue"], "wake_at IS NOT NULL")
    partial("jobs_held", ["worker_id", "kind"], "worker_id IS NOT NULL")
    partial("jobs_workflow", ["workflow_id"], "workflow_id IS NOT NULL")
    op.create_index("jobs_state", "jobs", ["state", "id"])
    op.create_index("jobs_kind", "jobs", ["kind", "id"])


def partial(name: str, columns: list[str], condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, "jobs", columns, sqlite_where=where, postgresql_where=where)


def create_job_links() -> None:
    op.create_table(
        "job_links",
        sa.Column("before_id", NAME, nullable=False),
        sa.Column("after_id", NAME, nullable=False),
        sa.Column("on_state", NAME, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "on_state IN ('success', 'failure')", name=op.f("job_links_on_state_check")
        ),
        sa.ForeignKeyConstraint(["before_id"], ["jobs.id"], name=op.f("job_links_before_id_fkey")),
        sa.ForeignKeyConstraint(["after_id"], ["jobs.id"], name=op.f("job_links_after_id_fkey")),
        sa.PrimaryKeyConstraint("before_id", "after_id", "on_state", name=op.f("job_links_pkey")),
    )
    op.create_index("job_links_after", "job_links", ["after_id"])


def create_alerts() -> None:
    op.create_table(
        "alerts",
        sa.Column("name", NAME, nullable=False),
        sa.Column("subject", NAME, nullable=False),
        sa.Column("state", NAME, nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("last_event_at", sa.BigInteger(), nullable=True),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("value", sa.Float(), nullable=True),
        sa.CheckConstraint("state IN ('firing', 'resolved')", name=op.f("alerts_state_check")),
        sa.PrimaryKeyConstraint("name", "subject", name=op.f("alerts_pkey")),
    )
