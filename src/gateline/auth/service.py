"""Accounts: making them, proving who one is, changing the password.

Everything that changes an account's sessions first holds the account's row (`hold_user`), so a
login, a refresh and a revocation never pass each other unseen.
"""

import hashlib
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from flask import current_app
from sqlalchemy import Select, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import aliased

from gateline.auth import audit
from gateline.auth.models import SCHEMA, User
from gateline.auth.moments import now
from gateline.auth.passwords import Passwords
from gateline.policy.identity import USER_TYPES
from gateline.policy.reasons import ACCOUNT_INACTIVE, CREDENTIALS_INVALID, WRONG_USER_TYPE
from gateline.shared.config import ConfigError, Problem, Settings
from gateline.shared.database import db, transaction_context
from gateline.shared.errors import ApiError, Conflict, ValidationFailed

_UNIQUE: Final = {
    "uq_users_email": ("email", "There is an account with this e-mail address already."),
    "uq_users_username": ("username", "There is an account with this user name already."),
}
_ID_ATTEMPTS: Final = 5


@dataclass(frozen=True, slots=True)
class Proof:
    """A password that was right for the hash that the account had then."""

    user_id: int
    password_hash: str
    upgraded_hash: str | None


def passwords() -> Passwords:
    """Return the password hashing of the current app."""
    found = current_app.extensions["gateline.auth.passwords"]
    assert isinstance(found, Passwords)  # noqa: S101 - tells the type checker what create_app put
    return found


def hold_user(user_id: int) -> User | None:
    """Return an account and keep its row locked until the end of the transaction."""
    wanted = select(User).where(User.id == user_id).with_for_update(key_share=True)
    return db.session.scalars(wanted.execution_options(populate_existing=True)).one_or_none()


def create_account(
    email: str,
    password: str,
    user_type: str,
    first_name: str = "",
    last_name: str = "",
    username: str | None = None,
    phone: str | None = None,
    *,
    verified: bool = False,
) -> User:
    """Make an account that can log in.

    Raises Conflict naming the field when the e-mail or the user name is taken, ValueError for an
    unknown user type.
    """
    if user_type not in USER_TYPES:
        msg = f"{user_type!r} is no user type"
        raise ValueError(msg)
    password_hash = passwords().hash(password)
    with transaction_context():
        user = _insert(
            email=email.lower(),
            username=username,
            password_hash=password_hash,
            user_type=user_type,
            first_name=first_name,
            last_name=last_name,
            phone=phone,
            is_email_verified=verified,
        )
        audit.record(audit.ACCOUNT_CREATED, user_id=user.id, user_type=user_type)
    return user


def ensure_first_admin(settings: Settings) -> User | None:
    """Make the administrator that ADMIN_USERNAME and ADMIN_PASSWORD name, once.

    An administrator of that name is left as it is: the settings make the first password, they do
    not reset it. Returns None when the settings name no password. Raises ConfigError when the name
    is that of an account that is no administrator, or its first address somebody else's.
    """
    name, password = settings.admin_username, settings.admin_password
    if not name or not password:
        return None
    return (
        _administrator_named(name)
        or _make_administrator(name, password)
        or _administrator_named(name)
    )


def make_up_first_admin(settings: Settings, password: str) -> bool:
    """Make the administrator of ADMIN_USERNAME with a password made up for it.

    Only where there is no administrator at all; tells whether it was so. Raises as
    `ensure_first_admin` does.
    """
    administrators = select(User.id).where(User.user_type == "admin")
    if db.session.scalars(administrators.limit(1)).one_or_none() is not None:
        return False
    if _administrator_named(settings.admin_username) is not None:
        return False
    return _make_administrator(settings.admin_username, password) is not None


def _administrator_named(name: str) -> User | None:
    user = find_user(name)
    if user is not None and user.user_type != "admin":
        message = f"is the name of an account that is no administrator ({user.user_type})"
        raise ConfigError([Problem("ADMIN_USERNAME", f"{message}: choose another one")])
    return user


def _make_administrator(name: str, password: str) -> User | None:
    """Return the new administrator, None when another process was faster."""
    address = first_address(name)
    username = None if "@" in name else name
    try:
        return create_account(address, password, "admin", username=username, verified=True)
    except Conflict:
        if _administrator_named(name) is not None:
            return None
        message = f"needs the address {address}, which another account has: choose another name"
        raise ConfigError([Problem("ADMIN_USERNAME", message)]) from None


def first_address(name: str) -> str:
    """Return the e-mail address that an account starts with when only its user name is given."""
    return name if "@" in name else f"{name}@example.com"


def find_user(name: str) -> User | None:
    """Return the account with this e-mail address or user name, however it is capitalised."""
    return db.session.scalars(_named(name)).one_or_none()


def account_key(user_id: int) -> str:
    """Return what attempts at an account's password are counted by."""
    return f"user:{user_id}"


def key_of_name(name: str) -> str:
    """Return the same for whoever has this e-mail address or user name, so that both share it.

    A name that nobody has gets a key of its own; it is hashed, for it may be a password typed too
    early.
    """
    with transaction_context():
        user = find_user(name)
        if user is not None:
            return account_key(user.id)
    return f"name:{hashlib.sha256(name.strip().lower().encode()).hexdigest()}"


def prove_password(name: str, password: str) -> Proof:
    """Check a password; raise 401 `credentials_invalid` alike for a wrong one and for nobody.

    No connection and no row is held while the password is hashed.
    """
    with transaction_context():
        user = find_user(name)
        user_id, stored = (user.id, user.password_hash) if user else (None, None)
    right, upgraded = passwords().verify(password, stored)
    if not right or user_id is None or stored is None:
        _refuse_login(name, user_id)
    return Proof(user_id, stored, upgraded)


def admit(proof: Proof, user_type: str | None) -> User:
    """Hold and return the account that may log in, within the caller's transaction.

    Raises 403 `account_inactive` or `wrong_user_type`, and 401 when the password was changed
    between the proof and now.
    """
    user = hold_user(proof.user_id)
    if user is None or user.password_hash != proof.password_hash:
        raise ApiError(reason=CREDENTIALS_INVALID)
    if not user.is_active:
        raise ApiError(reason=ACCOUNT_INACTIVE)
    if user_type is not None and user.user_type != user_type:
        raise ApiError(reason=WRONG_USER_TYPE)
    if proof.upgraded_hash is not None:
        user.password_hash = proof.upgraded_hash
    user.last_login_at = now()
    return user


def record_refused_login(proof: Proof, refusal: ApiError) -> None:
    """Write down that a right password was refused, and why."""
    reason = refusal.reason.code if refusal.reason else "refused"
    with transaction_context():
        audit.record(audit.LOGIN_FAILED, user_id=proof.user_id, reason=reason)


def prove_own_password(user_id: int, password: str) -> Proof:
    """Check the password that a logged-in person typed; a wrong one is a wrong field (400)."""
    with transaction_context():
        user = db.session.get(User, user_id)
        stored = user.password_hash if user else None
    right, upgraded = passwords().verify(password, stored)
    if not right or stored is None:
        with transaction_context():
            audit.record(audit.PASSWORD_REFUSED, user_id=user_id)
        raise ValidationFailed(fields={"current_password": ["This is not your password."]})
    return Proof(user_id, stored, upgraded)


def taken_field(error: IntegrityError) -> tuple[str, str] | None:
    """Return the field whose value another account has, with a sentence; None for other errors."""
    diagnosis: Any = getattr(error.orig, "diag", None)
    return _UNIQUE.get(getattr(diagnosis, "constraint_name", None) or "")


def _named(name: str) -> Select[User]:
    lowered = name.strip().lower()
    column = func.lower(User.email) if "@" in lowered else func.lower(User.username)
    return select(User).where(column == lowered)


def _refuse_login(name: str, user_id: int | None) -> NoReturn:
    with transaction_context():
        # What was typed as a name may be a password typed too early: only known names are kept.
        known = name.strip().lower() if user_id is not None else None
        reason = CREDENTIALS_INVALID.code
        audit.record(audit.LOGIN_FAILED, user_id=user_id, reason=reason, name=known)
    raise ApiError(reason=CREDENTIALS_INVALID)


def _insert(**values: Any) -> User:
    """Insert an account under the next free id.

    Ids that other services chose (`sync.sync_user`) may lie ahead of the sequence; it is moved
    past such a block when it runs into one.
    """
    for _ in range(_ID_ATTEMPTS):
        user = User(id=_free_id(), created_at=now(), updated_at=now(), **values)
        try:
            with db.session.begin_nested():
                db.session.add(user)
        except IntegrityError as error:
            taken = taken_field(error)
            if taken is not None:
                field, sentence = taken
                raise Conflict(sentence, fields={field: [sentence]}) from error
        else:
            return user
    raise RuntimeError("no free account id was found")


def _free_id() -> int:
    """Return the next number of the sequence, or the first free one behind a block of taken ids."""
    sequence = func.pg_get_serial_sequence(f"{SCHEMA}.users", "id")
    wanted: int = db.session.scalars(select(func.nextval(sequence))).one()
    if db.session.scalar(select(User.id).where(User.id == wanted)) is None:
        return wanted
    following = aliased(User)
    end_of_block = (
        select(func.min(User.id))
        .where(User.id >= wanted)
        .where(~select(following.id).where(following.id == User.id + 1).exists())
    )
    last_taken: int = db.session.scalars(end_of_block).one()
    db.session.execute(select(func.setval(sequence, last_taken)))
    free: int = db.session.scalars(select(func.nextval(sequence))).one()
    return free
