"""MentorRegistered, MentorUpdated: the name that stands on the mentor's statement."""

from psycopg import Connection
from psycopg.rows import DictRow

from relais_contracts import CloudEvent
from relais_contracts.transfers import MentorRegistered, MentorUpdated
from services.billing.views import names


def on_mentor_registered(connection: Connection[DictRow], event: CloudEvent) -> None:
    """The reaction to both."""
    mentor = event.data
    assert isinstance(mentor, MentorRegistered | MentorUpdated)
    names.keep(connection, mentor.mentor_id, mentor.name)
