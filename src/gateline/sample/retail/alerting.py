"""Alerts kept in step with events: opened, worsened and closed as the rules say."""

from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, joinedload

from gateline.sample.retail.models import Alert, Condition
from gateline.sample.retail.rules import AnyEvent, Change, Finding, change


@dataclass(slots=True)
class Changes:
    """The alerts that a batch opened and closed; one may be in both."""

    opened: list[Alert]
    closed: list[Alert]


def follow(session: Session, findings: Iterable[tuple[AnyEvent, Finding]]) -> Changes:
    """Bring alerts up to date, in the order of the events' times.

    What the rules watch stays locked until the end of the transaction, so two batches that speak
    of the same thing take turns.
    """
    ordered = sorted(findings, key=lambda pair: pair[0].occurred_at)
    conditions = _hold(session, {(found.rule, found.subject) for _, found in ordered})
    changes = Changes([], [])
    for event, finding in ordered:
        _apply(conditions[finding.rule, finding.subject], event, finding, changes)
    session.add_all(changes.opened)
    session.flush()
    return changes


def _hold(session: Session, keys: set[tuple[str, str]]) -> dict[tuple[str, str], Condition]:
    if not keys:
        return {}
    # Always in one order: two batches that wait for each other would wait for ever.
    rows = [{"rule": rule, "subject": subject} for rule, subject in sorted(keys)]
    session.execute(insert(Condition).on_conflict_do_nothing(), rows)
    wanted = (
        sa.select(Condition)
        .where(sa.tuple_(Condition.rule, Condition.subject).in_(sorted(keys)))
        .order_by(Condition.rule, Condition.subject)
        .options(joinedload(Condition.alert))
        .with_for_update(of=Condition)
        .execution_options(populate_existing=True)
    )
    return {(row.rule, row.subject): row for row in session.scalars(wanted)}


def _apply(condition: Condition, event: AnyEvent, finding: Finding, changes: Changes) -> None:
    alert = condition.alert
    at = event.occurred_at
    what = change(
        finding, at, last_at=condition.last_at, open_severity=alert.severity if alert else None
    )
    if condition.last_at is None or at >= condition.last_at:
        condition.last_at = at
    if what is Change.OPEN:
        condition.alert = _opened(event, finding)
        changes.opened.append(condition.alert)
    elif alert is not None and what is Change.WORSEN:
        alert.severity, alert.message = finding.severity, finding.message
    elif alert is not None and what is Change.CLOSE:
        alert.closed_at, condition.alert = at, None
        changes.closed.append(alert)


def _opened(event: AnyEvent, finding: Finding) -> Alert:
    return Alert(
        rule=finding.rule,
        subject=finding.subject,
        severity=finding.severity,
        message=finding.message,
        camera_code=event.camera_id,
        zone=event.zone,
        event_id=event.id,
        opened_at=event.occurred_at,
        closed_at=None,
    )
