"""Anything was published: it goes into the audit log."""

from psycopg import Connection
from psycopg.rows import DictRow

from relais_contracts import CloudEvent
from services.support.views import audit_log


def on_any_event(connection: Connection[DictRow], event: CloudEvent) -> None:
    audit_log.record(connection, event)
