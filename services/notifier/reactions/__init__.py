"""What happens when: every event that the notifier listens to, with what it does. One screen, on purpose.

SessionReassigned causes no letter: StudentTransferred has already told the same people.
"""

from collections.abc import Callable, Mapping, Sequence

from psycopg import Connection
from psycopg.rows import DictRow

from relais_contracts import CloudEvent
from relais_contracts import sessions as session_events
from relais_contracts import transfers as transfer_events
from services.chassis.at_once import in_one_go
from services.chassis.clock import Clock
from services.notifier.domain.letter import SUPPORT_ID, Letter, Person
from services.notifier.reactions import (
    on_absence_reminder_due,
    on_help_requested,
    on_session_cancelled,
    on_session_corrected,
    on_session_rescheduled,
    on_student_transferred,
)
from services.notifier.reactions.on_mentor_registered import on_mentor_registered
from services.notifier.reactions.on_session_changed import on_session_changed
from services.notifier.reactions.on_student_enrolled import on_student_enrolled
from services.notifier.views import emails, people

Reaction = Callable[[Connection[DictRow], CloudEvent], None]
Letters = Callable[[CloudEvent], list[Letter]]


def reactions(
    *, mail_domain: str, support_email: str, clock: Clock, quiet: bool = False
) -> Mapping[str, Sequence[Reaction]]:
    """By event type. ``mail_domain`` is what comes after the @ of a Message-ID; ``quiet``: nothing is to be sent."""
    support = Person(SUPPORT_ID, "support", support_email, "Support", "fr")

    def send(letters: Letters) -> Sequence[Reaction]:
        def reaction(connection: Connection[DictRow], event: CloudEvent) -> None:
            for letter in letters(event):
                emails.queue(connection, event, letter, mail_domain=mail_domain, now=clock.now(), quiet=quiet)

        return (in_one_go(reaction),)

    def pair(connection: Connection[DictRow], event: CloudEvent) -> None:
        assert isinstance(event.data, transfer_events.StudentTransferred)
        people.pair(connection, event.data.student_id, event.data.to_mentor_id)

    def know_support(connection: Connection[DictRow], _: CloudEvent) -> None:
        people.keep(connection, support)

    def remind(connection: Connection[DictRow], event: CloudEvent) -> None:
        assert isinstance(event.data, transfer_events.AbsenceReminderDue)
        mentor_of = people.mentors_of(connection, event.data.student_ids)
        for letter in on_absence_reminder_due.letters(event, mentor_of):
            emails.queue(connection, event, letter, mail_domain=mail_domain, now=clock.now(), quiet=quiet)

    return {
        transfer_events.MentorRegistered.ce_type: (on_mentor_registered,),
        transfer_events.MentorUpdated.ce_type: (on_mentor_registered,),
        transfer_events.StudentEnrolled.ce_type: (on_student_enrolled,),
        transfer_events.StudentUpdated.ce_type: (on_student_enrolled,),
        transfer_events.StudentTransferred.ce_type: (pair, *send(on_student_transferred.letters)),
        transfer_events.HelpRequested.ce_type: (know_support, *send(on_help_requested.letters)),
        transfer_events.AbsenceReminderDue.ce_type: (remind,),
        session_events.SessionScheduled.ce_type: (on_session_changed,),
        session_events.SessionHeld.ce_type: (on_session_changed,),
        session_events.SessionReassigned.ce_type: (on_session_changed,),
        session_events.SessionRescheduled.ce_type: (on_session_changed, *send(on_session_rescheduled.letters)),
        session_events.SessionCancelled.ce_type: (on_session_changed, *send(on_session_cancelled.letters)),
        session_events.SessionCorrected.ce_type: (on_session_changed, *send(on_session_corrected.letters)),
    }
