"""The API of transfers: which routes there are."""

from collections.abc import Sequence

from fastapi import APIRouter

from services.chassis.clock import Clock
from services.transfers.edges.absences import absence_routes
from services.transfers.edges.accounts import mentor_routes, student_routes
from services.transfers.edges.comments import comment_routes
from services.transfers.edges.lookup import lookup_routes
from services.transfers.edges.office import Office
from services.transfers.edges.people_import import import_routes
from services.transfers.edges.transfers import transfer_routes


def routers(office: Office, clock: Clock) -> Sequence[APIRouter]:
    return [
        mentor_routes(office),
        import_routes(office),
        lookup_routes(office),
        student_routes(office),
        transfer_routes(office),
        comment_routes(office),
        absence_routes(office, clock),
    ]
