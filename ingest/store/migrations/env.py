"""Alembic's entry point; it runs on the transaction that ``ingest.store.migrate`` opened."""

from collections.abc import Collection, Mapping
from typing import Any

from alembic import context
from alembic.runtime.migration import MigrationContext, MigrationInfo

import ingest.store.job_schema
import ingest.store.rejected_schema  # noqa: F401 - their tables belong to the same metadata
from ingest.store.schema import metadata


def note(
    ctx: MigrationContext,  # noqa: ARG001 - Alembic passes these four by name
    step: MigrationInfo,
    heads: Collection[Any],  # noqa: ARG001 - as above
    run_args: Mapping[str, Any],  # noqa: ARG001 - as above
) -> None:
    context.config.attributes["applied"].append(step.up_revision_id)


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
    on_version_apply=note,
)
context.run_migrations()
