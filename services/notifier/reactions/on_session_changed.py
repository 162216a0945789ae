"""Whatever happens to a session → the calendars that people subscribe to show it as it is then."""

from typing import Final

from services.chassis.at_once import AtOnce
from services.notifier.views import calendar

on_session_changed: Final = AtOnce(calendar.keep_sessions)
