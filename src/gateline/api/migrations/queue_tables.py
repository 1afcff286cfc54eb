"""procrastinate's tables and functions, in our schema and in step with our own history.

They are made from the migrations that procrastinate brings, up to a named one: so a fresh database
and an old one end alike, whichever version is installed. When a newer version brings more, a new
revision of ours applies them (a test says so).
"""

from typing import Final

import sqlalchemy as sa
from alembic import op

SCHEMA: Final = "api"
LAST: Final = "03.04.00_50_post_add_retry_failed_job_procedure"
"""The newest one that some revision of ours applies."""

# Called from sessions that know nothing of the search path, the functions must find their tables.
_PIN_SEARCH_PATH: Final = f"""
    DO $$ DECLARE one regprocedure; BEGIN
        FOR one IN SELECT oid FROM pg_proc
            WHERE pronamespace = '{SCHEMA}'::regnamespace AND proname LIKE 'procrastinate%'
        LOOP EXECUTE format('ALTER FUNCTION %s SET search_path = {SCHEMA}, pg_temp', one); END LOOP;
    END $$
"""  # noqa: S608 - our own schema's name

# The lock of a message is looked up at each fetch; the index makes that one step, not a scan.
_INDEX: Final = f"""
    CREATE INDEX messages_by_lock ON {SCHEMA}.procrastinate_jobs (lock, priority DESC, id)
    WHERE status IN ('todo', 'doing')
"""

_DROP: Final = f"""
    DO $$ DECLARE one text; BEGIN
        DROP TABLE {SCHEMA}.procrastinate_events, {SCHEMA}.procrastinate_periodic_defers,
            {SCHEMA}.procrastinate_jobs, {SCHEMA}.procrastinate_workers CASCADE;
        FOR one IN SELECT oid::regprocedure FROM pg_proc
            WHERE pronamespace = '{SCHEMA}'::regnamespace AND proname LIKE 'procrastinate%'
        LOOP EXECUTE format('DROP FUNCTION %s', one); END LOOP;
        FOR one IN SELECT oid::regtype FROM pg_type
            WHERE typnamespace = '{SCHEMA}'::regnamespace AND typname LIKE 'procrastinate%'
        LOOP EXECUTE format('DROP TYPE %s', one); END LOOP;
    END $$
"""  # noqa: S608 - as above


def packaged() -> dict[str, str]:
    """Return the migrations that the installed procrastinate brings, by name, in their order."""
    from procrastinate.schema import migrations_path

    return {file.stem: file.read_text("utf-8") for file in sorted(migrations_path.glob("*.sql"))}


def apply(after: str, through: str) -> None:
    """Apply procrastinate's migrations behind `after` up to and with `through`."""
    earlier = op.get_bind().scalar(sa.text("SELECT current_setting('search_path')"))
    _run(f"SET LOCAL search_path = {SCHEMA}")
    for name, script in packaged().items():
        if after < name <= through:
            _run(script)
    op.get_bind().execute(
        sa.text("SELECT set_config('search_path', :path, true)"), {"path": earlier}
    )
    _run(_PIN_SEARCH_PATH)


def add_index() -> None:
    """Make the lookup of a message's predecessors cheap."""
    _run(_INDEX)


def drop() -> None:
    """Drop everything of procrastinate's, with what is in it."""
    _run(_DROP)


def _run(script: str) -> None:
    # Without parameters, so that a script may hold several statements and percent signs.
    op.get_bind().execution_options(no_parameters=True).exec_driver_sql(script)
