"""MentorRegistered, MentorUpdated → the mentor's address and name. The directory gives mentors no language: French."""

from psycopg import Connection
from psycopg.rows import DictRow

from relais_contracts import CloudEvent
from relais_contracts.transfers import MentorRegistered, MentorUpdated
from services.notifier.domain.letter import Person
from services.notifier.views import people


def on_mentor_registered(connection: Connection[DictRow], event: CloudEvent) -> None:
    """Keeps the mentor in the directory of people."""
    mentor = event.data
    assert isinstance(mentor, MentorRegistered | MentorUpdated)
    people.keep(connection, Person(mentor.mentor_id, "mentor", mentor.email, mentor.name, "fr", mentor.timezone))
