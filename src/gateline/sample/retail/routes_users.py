"""The user service: customers register themselves."""

from datetime import UTC, datetime

from flask import Blueprint, Response
from flask.typing import ResponseReturnValue

from gateline.policy.reasons import CONFLICT, UPSTREAM_UNAVAILABLE
from gateline.sample.retail import customers
from gateline.sample.retail.schemas import Registered, Registration
from gateline.shared.app import parts
from gateline.shared.declarations import answers, refuses
from gateline.shared.middleware import csrf
from gateline.shared.middleware.validation import validate
from gateline.shared.schemas.base import json_dump

blueprint = Blueprint("users", __name__)
csrf.protect(blueprint)


@blueprint.post("/register")
@answers(201, Registered, "The customer was made.")
@refuses(CONFLICT, UPSTREAM_UNAVAILABLE)
@validate(body=Registration)
def register(body: Registration) -> ResponseReturnValue:
    """Make a customer with an account to log in to."""
    now = datetime.fromtimestamp(parts().clock(), UTC)
    return json_dump(Registered(customer=customers.register(body, now))), 201


@blueprint.after_request
def keep_out_of_caches(response: Response) -> Response:
    """Let no cache keep personal data."""
    response.headers.setdefault("Cache-Control", "no-store")
    return response
