"""A mentor's account arrived or changed: by its e-mail a mentor is known who asks for the own students."""

from psycopg import Connection
from psycopg.rows import DictRow

from relais_contracts import CloudEvent
from relais_contracts.transfers import MentorProfile
from services.attendance.views import mentors


def on_mentor_registered(connection: Connection[DictRow], event: CloudEvent) -> None:
    """The reaction to MentorRegistered and MentorUpdated."""
    mentor = event.data
    assert isinstance(mentor, MentorProfile)
    mentors.keep(connection, mentor.mentor_id, email=mentor.email, name=mentor.name)
