"""Whatever happens to a session → the calendars that people subscribe to show it as it is then."""

from services.notifier.views.calendar import keep_session as on_session_changed

__all__ = ["on_session_changed"]
