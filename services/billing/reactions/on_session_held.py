"""A session was held: the mentor's statement gets its line (S8)."""

from collections.abc import Callable

from psycopg import Connection
from psycopg.rows import DictRow

from relais_contracts import CloudEvent
from relais_contracts.sessions import SessionHeld
from services.billing.domain.statement import Documented
from services.billing.domain.tariff import Outcome
from services.billing.views.statements import Statements


def on_session_held(statements: Statements) -> Callable[[Connection[DictRow], CloudEvent], None]:
    """The reaction to SessionHeld."""

    def react(connection: Connection[DictRow], event: CloudEvent) -> None:
        held = event.data
        assert isinstance(held, SessionHeld)
        documented = Documented(
            event_id=event.id,
            session_id=held.session_id,
            student_id=held.student_id,
            mentor_id=held.mentor_id,
            starts_at=held.starts_at,
            duration_minutes=held.duration_minutes,
            path=held.path,
            outcome=Outcome.HELD,
        )
        statements.record(connection, documented, recorded_at=event.time)

    return react
