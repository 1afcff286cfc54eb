"""Payloads of the shop: registrations, what cameras and sensors report, and the lists.

An event's `type` says what its `data` hold. Ids are strings in answers.
"""

from datetime import date
from typing import Annotated, Any, Final, Literal, Self

from pydantic import ConfigDict, Field, StringConstraints, field_validator, model_validator

from gateline.shared.schemas.base import EmailAddress, Page, PageQuery, Schema, Timestamp

BATCH_LIMIT: Final = 1000

Line = Annotated[str, Field(min_length=1, max_length=120, pattern=r"^[^\x00-\x1f\x7f]+$")]
Name = Annotated[str, Field(max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")]
Code = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$", examples=["cam-01"])]
Phone = Annotated[str, Field(pattern=r"^\+?[0-9 ()./-]{3,32}$")]
# A password is taken as it is typed: blanks around it belong to it.
NewPassword = Annotated[
    str, StringConstraints(strip_whitespace=False, min_length=8, max_length=256)
]

EventType = Literal["people_count", "queue_length", "shelf", "door", "temperature", "camera"]
Severity = Literal["info", "warning", "critical"]
AlertSeverity = Literal["warning", "critical"]
CameraStatus = Literal["online", "offline", "tampered"]
AlertStatus = Literal["open", "closed"]


class Registration(Schema):
    """A new customer. `name` may stand for first and last name."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"email": "ana@example.com", "password": "a long sentence", "name": "Ana Soler"}
            ]
        }
    )

    email: EmailAddress
    password: NewPassword = Field(repr=False)
    name: Name = ""
    first_name: Name = ""
    last_name: Name = ""
    phone: Phone | None = None
    newsletter: bool = False

    @model_validator(mode="after")
    def _one_name(self) -> Self:
        if self.name and (self.first_name or self.last_name):
            raise ValueError("give either name or first_name and last_name")
        return self

    @property
    def names(self) -> tuple[str, str]:
        """First and last name, however they were given."""
        if not self.name:
            return self.first_name, self.last_name
        first, _, last = self.name.partition(" ")
        return first, last.strip()


class CustomerOut(Schema):
    """A customer as it registered."""

    id: str
    user_id: str
    email: str
    name: str
    first_name: str
    last_name: str
    phone: str | None
    newsletter: bool
    created_at: Timestamp


class Registered(Schema):
    """The customer that was made; logging in is a second step."""

    status: Literal["success"] = "success"
    customer: CustomerOut


class PeopleData(Schema):
    """Who went through an entrance since the last count, and how many are inside."""

    entered: int = Field(ge=0, le=100_000)
    left: int = Field(ge=0, le=100_000)
    inside: int | None = Field(None, ge=0, le=100_000)


class QueueData(Schema):
    """How many wait at a till."""

    till: Code
    length: int = Field(ge=0, le=10_000)
    wait_seconds: int | None = Field(None, ge=0, le=86_400)


class ShelfData(Schema):
    """How full a shelf is."""

    shelf: Code
    fill_percent: float = Field(ge=0, le=100)
    product: Line | None = None


class DoorData(Schema):
    """Whether a door stands open, and since how many seconds."""

    door: Code
    state: Literal["open", "closed"]
    open_seconds: int = Field(0, ge=0, le=10_000_000)


class TemperatureData(Schema):
    """What a thermometer shows, and what it hangs in."""

    sensor: Code
    celsius: float = Field(ge=-90, le=100)
    kind: Literal["chiller", "freezer", "room"] = "chiller"


class CameraData(Schema):
    """How a camera is."""

    state: CameraStatus


class _Event(Schema):
    id: Code = Field(description="Made by the sender, unique; an id that came before is skipped.")
    camera_id: Code | None = None
    zone: Line | None = None
    occurred_at: Timestamp

    @field_validator("occurred_at")
    @classmethod
    def _storable(cls, value: Timestamp) -> Timestamp:
        if value.year < 2000:
            raise ValueError("must be a time after 1999")
        return value


class PeopleCounted(_Event):
    """People were counted at an entrance."""

    type: Literal["people_count"]
    data: PeopleData


class QueueMeasured(_Event):
    """A queue was measured."""

    type: Literal["queue_length"]
    data: QueueData


class ShelfSeen(_Event):
    """A shelf was looked at."""

    type: Literal["shelf"]
    data: ShelfData


class DoorMoved(_Event):
    """A door was opened or closed, or still stands open."""

    type: Literal["door"]
    data: DoorData


class TemperatureRead(_Event):
    """A temperature was read."""

    type: Literal["temperature"]
    data: TemperatureData


class CameraReported(_Event):
    """A camera told how it is, or somebody told it of the camera."""

    type: Literal["camera"]
    data: CameraData

    @model_validator(mode="after")
    def _of_a_camera(self) -> Self:
        if self.camera_id is None:
            raise ValueError("an event of type camera needs a camera_id")
        return self


Event = Annotated[
    PeopleCounted | QueueMeasured | ShelfSeen | DoorMoved | TemperatureRead | CameraReported,
    Field(discriminator="type"),
]


class Batch(Schema):
    """Events in any order."""

    events: list[Event] = Field(min_length=1, max_length=BATCH_LIMIT)


class Ingested(Schema):
    """What became of a batch."""

    accepted: int
    duplicates: int
    alerts_opened: int
    alerts_closed: int


class CameraBody(Schema):
    """A camera as it is put up."""

    name: Line
    zone: Line
    resolution: Annotated[str, Field(pattern=r"^[0-9]{2,5}x[0-9]{2,5}$")] | None = None
    installed_on: date | None = None


class CameraOut(CameraBody):
    """A camera and how it was last known."""

    id: str
    status: CameraStatus
    last_seen_at: Timestamp | None
    open_alerts: int


class CameraPage(Page[CameraOut]):
    """A page of cameras; `total` counts those on the other pages as well."""

    total: int


class CameraQuery(PageQuery):
    """Which cameras are wanted."""

    status: CameraStatus | None = None
    zone: Line | None = None


class _Span(Schema):
    since: Timestamp | None = Field(None, description="Not before this time.")
    until: Timestamp | None = Field(None, description="Before this time.")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.since and self.until and self.since >= self.until:
            raise ValueError("since must be before until")
        return self


class LogQuery(PageQuery, _Span):
    """Which events are wanted; the latest come first."""

    type: EventType | None = None
    severity: Severity | None = None
    camera_id: Code | None = None
    zone: Line | None = None
    q: Annotated[str, Field(max_length=100)] | None = Field(
        None, description="Text that the message holds."
    )


class EventOut(Schema):
    """An event of the log."""

    id: str
    type: EventType
    severity: Severity
    message: str
    camera_id: str | None
    zone: str | None
    data: dict[str, Any]
    occurred_at: Timestamp
    received_at: Timestamp


class CountQuery(_Span):
    """Which alerts are counted: those opened in this time, in this zone, of this camera."""

    zone: Line | None = None
    camera_id: Code | None = None


class AlertQuery(PageQuery, CountQuery):
    """Which alerts are wanted; the latest come first."""

    status: AlertStatus | None = None
    severity: AlertSeverity | None = None


class AlertOut(Schema):
    """An alert; `closed_at` is null while it is open."""

    id: str
    rule: str
    subject: str
    severity: AlertSeverity
    message: str
    camera_id: str | None
    zone: str | None
    event_id: str
    opened_at: Timestamp
    closed_at: Timestamp | None


class SeverityCount(Schema):
    """How many alerts of one severity."""

    open: int
    total: int


class AlertCount(Schema):
    """How many alerts; `count` is those that are open."""

    count: int
    open: int
    closed: int
    total: int
    by_severity: dict[AlertSeverity, SeverityCount]
