"""Who may do what in the clinic: role rules as pure functions of plain values.

Two questions are kept apart. `allowed` and `locked_fields` say what a kind of account may do (a
refusal is 403); the `*_seen_by` functions say which rows exist for it (the others answer 404).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

Noun = Literal["doctors", "patients", "institutions", "admins"]
Action = Literal[
    "list", "create", "read", "update", "delete", "me", "read_record", "write_record", "assign_care"
]

NOUNS: Final[tuple[Noun, ...]] = ("doctors", "patients", "institutions", "admins")
NOUN_OF: Final[Mapping[str, Noun]] = MappingProxyType(
    {
        "doctor": "doctors",
        "patient": "patients",
        "institution": "institutions",
        "admin": "admins",
    }
)
"""The resource that holds the profile of each kind of account."""

_EVERYBODY = ("patient", "doctor", "institution", "admin")
_STAFF = ("doctor", "institution", "admin")
_OFFICE = ("institution", "admin")
_ADMIN = ("admin",)

_ALLOWED: Final[Mapping[tuple[Noun, Action], tuple[str, ...]]] = MappingProxyType(
    {
        ("patients", "list"): _STAFF,
        ("patients", "create"): _STAFF,
        ("patients", "read"): _EVERYBODY,
        ("patients", "update"): _EVERYBODY,
        ("patients", "delete"): _OFFICE,
        ("patients", "me"): ("patient",),
        ("patients", "read_record"): _EVERYBODY,
        ("patients", "write_record"): ("doctor",),
        ("patients", "assign_care"): _STAFF,
        ("doctors", "list"): _STAFF,
        ("doctors", "create"): _OFFICE,
        ("doctors", "read"): _STAFF,
        ("doctors", "update"): _STAFF,
        ("doctors", "delete"): _OFFICE,
        ("doctors", "me"): ("doctor",),
        ("institutions", "list"): _STAFF,
        ("institutions", "create"): _ADMIN,
        ("institutions", "read"): _STAFF,
        ("institutions", "update"): _OFFICE,
        ("institutions", "delete"): _ADMIN,
        ("institutions", "me"): ("institution",),
        ("admins", "list"): _ADMIN,
        ("admins", "create"): _ADMIN,
        ("admins", "read"): _ADMIN,
        ("admins", "update"): _ADMIN,
        ("admins", "delete"): _ADMIN,
        ("admins", "me"): _ADMIN,
    }
)

# What somebody may change on the one row that is its own profile.
_OWN_FIELDS: Final[Mapping[Noun, frozenset[str]]] = MappingProxyType(
    {
        "patients": frozenset(
            {"name", "email", "phone", "date_of_birth", "gender", "address", "emergency_contact"}
        ),
        "doctors": frozenset({"name", "email", "phone", "biography", "accepting_patients"}),
        "institutions": frozenset({"name", "email", "phone", "address", "city", "website"}),
        "admins": frozenset({"name", "email", "phone", "department"}),
    }
)

ADMIN_FIELDS: Final = frozenset({"institution_id", "user_id"})
"""Where somebody belongs and which account it is: both decide who sees what."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """Somebody who asks: the account, its kind and its own row in the clinic.

    `institution_id` is where a doctor works, or the institution itself.
    """

    user_id: int
    user_type: str
    row_id: int
    institution_id: int | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """The rows of one resource that exist for a viewer.

    `reach` is everything, nothing, the one row `id`, or what belongs to the doctor or
    institution with that `id`.
    """

    reach: Literal["everything", "nothing", "row", "doctor", "institution"]
    id: int = 0


EVERYTHING: Final = Scope("everything")
NOTHING: Final = Scope("nothing")


def allowed(noun: Noun, action: Action) -> tuple[str, ...]:
    """Name the kinds of account that may do `action` on `noun` at all."""
    return _ALLOWED[noun, action]


def patients_seen_by(viewer: Viewer) -> Scope:
    """Tell which patients exist for `viewer`: itself, those in its care, or all."""
    match viewer.user_type:
        case "patient":
            return Scope("row", viewer.row_id)
        case "doctor":
            return Scope("doctor", viewer.row_id)
        case "institution":
            return Scope("institution", viewer.row_id)
        case "admin":
            return EVERYTHING
        case _:
            return NOTHING


def doctors_seen_by(viewer: Viewer) -> Scope:
    """Tell which doctors exist for `viewer`: a doctor sees the colleagues of its institution."""
    match viewer.user_type:
        case "doctor" if viewer.institution_id is None:
            return Scope("row", viewer.row_id)
        case "doctor" | "institution" if viewer.institution_id is not None:
            return Scope("institution", viewer.institution_id)
        case "admin":
            return EVERYTHING
        case _:
            return NOTHING


def institutions_seen_by(viewer: Viewer) -> Scope:
    """Tell which institutions exist for `viewer`: itself, its employer, or all."""
    match viewer.user_type:
        case "doctor" | "institution" if viewer.institution_id is not None:
            return Scope("row", viewer.institution_id)
        case "admin":
            return EVERYTHING
        case _:
            return NOTHING


def admins_seen_by(viewer: Viewer) -> Scope:
    """Tell which admins exist for `viewer`: all for an admin, none for anybody else."""
    return EVERYTHING if viewer.user_type == "admin" else NOTHING


def locked_fields(viewer: Viewer, noun: Noun, row_id: int, fields: Iterable[str]) -> list[str]:
    """List, sorted, those of `fields` that `viewer` may not change on a row that it sees."""
    return sorted(field for field in fields if not _may_change(viewer, noun, row_id, field))


def may_place_at(viewer: Viewer, institution_id: int | None) -> bool:
    """Tell whether `viewer` may create somebody at this institution."""
    return viewer.user_type == "admin" or institution_id == viewer.institution_id


def _may_change(viewer: Viewer, noun: Noun, row_id: int, field: str) -> bool:
    own = NOUN_OF.get(viewer.user_type) == noun and viewer.row_id == row_id
    if viewer.user_type == "admin":
        # An admin who could deactivate itself could lock everybody out.
        return not (own and field == "status")
    if own:
        return field in _OWN_FIELDS[noun]
    return _is_keeper(viewer, noun) and field not in ADMIN_FIELDS


def _is_keeper(viewer: Viewer, noun: Noun) -> bool:
    """Tell whose rows one keeps: a doctor its patients', an institution its doctors' as well."""
    kept = {"doctor": ("patients",), "institution": ("patients", "doctors")}
    return noun in kept.get(viewer.user_type, ())
