"""Make the clinic's tables: people, places, care, records, and answers kept for retries."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SCHEMA = "clinic"
SEARCH = (
    "translate(lower(name || ' ' || coalesce(email, '')),"
    " 'áàäâéèëêíìïîóòöôúùüûñç', 'aaaaeeeeiiiioooouuuunc')"
)


def upgrade() -> None:
    """Make the tables in the order of their references."""
    op.execute(sa.schema.CreateSchema(SCHEMA, if_not_exists=True))
    _make_places_and_people()
    _make_care()
    _make_bookkeeping()


def downgrade() -> None:
    """Drop the tables; the schema stays, it holds the version table."""
    for table in (
        "sample_rows",
        "kept_answers",
        "record_entries",
        "appointments",
        "care_links",
        "admins",
        "patients",
        "doctors",
        "institutions",
    ):
        op.drop_table(table, schema=SCHEMA)


def _make_places_and_people() -> None:
    _table(
        "institutions",
        *_kept("institutions"),
        sa.Column("kind", sa.Text, nullable=False, server_default="clinic"),
        _text("address"),
        _text("city"),
        _text("website"),
    )
    _table(
        "doctors",
        *_kept("doctors"),
        _reference("doctors", "institution_id", "institutions", nullable=True),
        sa.Column("specialty", sa.Text, nullable=False),
        _text("license_number"),
        _text("biography"),
        sa.Column("accepting_patients", sa.Boolean, nullable=False, server_default=sa.true()),
    )
    _table(
        "patients",
        *_kept("patients"),
        _reference("patients", "institution_id", "institutions", nullable=True),
        sa.Column("date_of_birth", sa.Date),
        _text("gender"),
        _text("blood_type"),
        _text("address"),
        _text("insurance_number"),
        sa.Column("emergency_contact", JSONB),
    )
    _table("admins", *_kept("admins"), _text("department"))
    for table in ("institutions", "doctors", "patients", "admins"):
        _index(f"{table}_by_name", table, "name", "id")
    _index("doctors_by_institution", "doctors", "institution_id")
    living = sa.text("deleted_at IS NULL")
    _index(
        "doctors_license_once", "doctors", "license_number", unique=True, postgresql_where=living
    )
    _index("patients_by_creation", "patients", "created_at", "id")
    _index("patients_by_institution", "patients", "institution_id")


def _make_care() -> None:
    _table(
        "care_links",
        _reference("care_links", "patient_id", "patients"),
        _reference("care_links", "doctor_id", "doctors"),
        sa.Column("part", sa.Text, nullable=False, server_default="primary"),
        sa.Column("since", sa.Date, nullable=False),
        sa.PrimaryKeyConstraint("patient_id", "doctor_id", name="pk_care_links"),
    )
    _index("care_links_by_doctor", "care_links", "doctor_id", "patient_id")
    _table(
        "appointments",
        *_numbered("appointments"),
        _reference("appointments", "patient_id", "patients"),
        _reference("appointments", "doctor_id", "doctors"),
        _time("starts_at"),
        sa.Column("minutes", sa.Integer, nullable=False, server_default="30"),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False, server_default="scheduled"),
    )
    _index("appointments_by_patient", "appointments", "patient_id", "starts_at", "id")
    _index("appointments_by_doctor", "appointments", "doctor_id", "starts_at", "id")
    _index("appointments_by_start", "appointments", "starts_at", "id")
    _table(
        "record_entries",
        *_numbered("record_entries"),
        _reference("record_entries", "patient_id", "patients"),
        _reference("record_entries", "doctor_id", "doctors"),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        _text("notes"),
        sa.Column("details", JSONB, nullable=False, server_default="{}"),
        _time("recorded_at"),
    )
    _index("record_entries_by_patient", "record_entries", "patient_id", "recorded_at", "id")
    _index("record_entries_by_doctor", "record_entries", "doctor_id", "recorded_at", "id")


def _make_bookkeeping() -> None:
    _table(
        "kept_answers",
        sa.Column("user_id", sa.BigInteger, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("headers", JSONB),
        sa.Column("body", JSONB),
        _time("created_at"),
        sa.PrimaryKeyConstraint("user_id", "key", name="pk_kept_answers"),
    )
    _index("kept_answers_by_age", "kept_answers", "created_at")
    _table(
        "sample_rows",
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("row_id", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("email", name="pk_sample_rows"),
    )


def _table(name: str, *parts: Any) -> None:
    op.create_table(name, *parts, schema=SCHEMA)


def _index(name: str, table: str, *columns: str, **options: Any) -> None:
    op.create_index(name, table, list(columns), schema=SCHEMA, **options)


def _text(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Text)


def _time(name: str, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False, **options)


def _reference(table: str, column: str, target: str, *, nullable: bool = False) -> sa.Column[Any]:
    key = sa.ForeignKey(f"{SCHEMA}.{target}.id", name=f"fk_{table}_{column}_{target}")
    return sa.Column(column, sa.BigInteger, key, nullable=nullable)


def _numbered(table: str) -> tuple[Any, ...]:
    return (
        sa.Column("id", sa.BigInteger, sa.Identity(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=f"pk_{table}"),
    )


def _kept(table: str) -> tuple[Any, ...]:
    """Return the columns that every person and place has."""
    return (
        *_numbered(table),
        sa.Column("user_id", sa.BigInteger),
        sa.Column("name", sa.Text, nullable=False),
        _text("email"),
        _text("phone"),
        sa.Column("status", sa.Text, nullable=False, server_default="active"),
        sa.Column("version", sa.Integer, nullable=False, server_default="1"),
        _time("created_at", server_default=sa.func.now()),
        _time("updated_at", server_default=sa.func.now()),
        sa.Column("deleted_at", sa.DateTime(timezone=True)),
        sa.Column("search", sa.Text, sa.Computed(SEARCH, persisted=True), nullable=False),
        sa.UniqueConstraint("user_id", name=f"uq_{table}_user_id"),
    )
