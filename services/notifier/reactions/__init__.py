"""What happens when: every event that the notifier listens to, with what it does. One screen, on purpose.

SessionReassigned causes no letter: StudentTransferred has already told the same people.
"""

from collections.abc import Callable, Mapping, Sequence

from psycopg import Connection
from psycopg.rows import DictRow

from relais_contracts import CloudEvent
from relais_contracts import sessions as session_events
from relais_contracts import transfers as transfer_events
from services.notifier.domain.letter import Letter
from services.notifier.reactions import (
    on_session_cancelled,
    on_session_corrected,
    on_session_rescheduled,
    on_student_transferred,
)
from services.notifier.reactions.on_mentor_registered import on_mentor_registered
from services.notifier.reactions.on_student_enrolled import on_student_enrolled
from services.notifier.views import emails

Reaction = Callable[[Connection[DictRow], CloudEvent], None]
Letters = Callable[[CloudEvent], list[Letter]]


def reactions(*, mail_domain: str) -> Mapping[str, Sequence[Reaction]]:
    """By event type. ``mail_domain`` is what comes after the @ of a Message-ID."""

    def send(letters: Letters) -> Sequence[Reaction]:
        def reaction(connection: Connection[DictRow], event: CloudEvent) -> None:
            for letter in letters(event):
                emails.queue(connection, event, letter, mail_domain=mail_domain)

        return (reaction,)

    return {
        transfer_events.MentorRegistered.ce_type: (on_mentor_registered,),
        transfer_events.MentorUpdated.ce_type: (on_mentor_registered,),
        transfer_events.StudentEnrolled.ce_type: (on_student_enrolled,),
        transfer_events.StudentUpdated.ce_type: (on_student_enrolled,),
        transfer_events.StudentTransferred.ce_type: send(on_student_transferred.letters),
        session_events.SessionRescheduled.ce_type: send(on_session_rescheduled.letters),
        session_events.SessionCancelled.ce_type: send(on_session_cancelled.letters),
        session_events.SessionCorrected.ce_type: send(on_session_corrected.letters),
    }
