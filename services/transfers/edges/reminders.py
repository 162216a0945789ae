"""Gives the reminders that are due, once (T16, T17), and closes absences that are over. It never transfers (T3)."""

import asyncio
import contextlib
import logging
from typing import Final

from services.chassis.clock import Clock
from services.chassis.context import Context
from services.chassis.event_store import VersionConflict
from services.chassis.ids import new_id
from services.transfers.domain import change_absence, remind
from services.transfers.domain.change_absence import EndAbsence
from services.transfers.domain.remind import Remind
from services.transfers.edges.absence_work import load_absence
from services.transfers.edges.office import Office
from services.transfers.views.absence_list import maybe_due

LOOK_EVERY_S: Final = 2.0
BATCH: Final = 100

_log = logging.getLogger("relais.transfers.reminders")


class Reminders:
    def __init__(self, office: Office, clock: Clock) -> None:
        self._office = office
        self._clock = clock

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`. A database that is away ends it; it is started again with growing pauses."""
        while not stop.is_set():
            await asyncio.to_thread(self.give_due)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOK_EVERY_S)

    def give_due(self) -> int:
        """Gives what is due now; how many reminders that were."""
        now = self._clock.now()
        with self._office.database.connection() as connection:
            absence_ids = maybe_due(connection, now, limit=BATCH)
        given = 0
        for absence_id in absence_ids:
            loaded = load_absence(self._office, absence_id)
            events = remind.decide(Remind(now), loaded.absence, loaded.plan)
            loaded.work.decided(absence_id, events)
            end = change_absence.decide_end_on_its_date(
                EndAbsence(absence_id, now), loaded.absence, loaded.mentor, loaded.plan
            )
            loaded.work.decided_together(end)
            if not loaded.work.decided_count:
                continue
            context = Context("service:transfers", new_id(), None, None, now)
            try:
                self._office.store.append(loaded.work.changes(), context)
            except VersionConflict:
                _log.info("absence changed meanwhile; looked at again soon")
                continue
            given += len(events)
        return given
