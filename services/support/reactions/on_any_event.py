"""Anything was published: it goes into the audit log."""

from services.chassis.at_once import AtOnce
from services.support.views import audit_log

on_any_event = AtOnce(audit_log.record)
