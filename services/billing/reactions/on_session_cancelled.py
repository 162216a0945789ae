"""A session was cancelled: its reason goes into the mentor's statement (S8)."""

from collections.abc import Callable

from psycopg import Connection
from psycopg.rows import DictRow

from relais_contracts import CloudEvent
from relais_contracts.sessions import SessionCancelled
from services.billing.domain.statement import Documented
from services.billing.domain.tariff import Outcome
from services.billing.views.statements import Statements


def on_session_cancelled(statements: Statements) -> Callable[[Connection[DictRow], CloudEvent], None]:
    """The reaction to SessionCancelled."""

    def react(connection: Connection[DictRow], event: CloudEvent) -> None:
        cancelled = event.data
        assert isinstance(cancelled, SessionCancelled)
        documented = Documented(
            event_id=event.id,
            session_id=cancelled.session_id,
            student_id=cancelled.student_id,
            mentor_id=cancelled.mentor_id,
            starts_at=cancelled.starts_at,
            duration_minutes=cancelled.duration_minutes,
            path=cancelled.path,
            outcome=Outcome(cancelled.reason),
        )
        statements.record(connection, documented, recorded_at=event.time)

    return react
