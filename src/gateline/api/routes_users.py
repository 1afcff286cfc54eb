"""/api/users: the profile of the person who asks."""

from flask import Blueprint, g
from flask.typing import ResponseReturnValue

from gateline.api import service
from gateline.api.schemas import ProfileOut, ProfilePatch
from gateline.shared.declarations import answers
from gateline.shared.middleware.auth import require_session
from gateline.shared.middleware.validation import validate
from gateline.shared.schemas.base import json_dump

users = Blueprint("users", __name__, url_prefix="/api/users")


@users.get("/me")
@answers(200, ProfileOut)
@require_session
@validate()
def read_profile() -> ResponseReturnValue:
    """Show one's own profile."""
    return json_dump(ProfileOut.model_validate(service.profile_of(g.identity)))


@users.patch("/me")
@answers(200, ProfileOut)
@require_session
@validate(body=ProfilePatch)
def change_profile(body: ProfilePatch) -> ResponseReturnValue:
    """Change one's name or telephone number; the accounts' service hears of it soon."""
    changes = body.model_dump(exclude_unset=True)
    return json_dump(ProfileOut.model_validate(service.change_profile(g.identity, changes)))
