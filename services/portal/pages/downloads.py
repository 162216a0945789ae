"""Files that may be long: handed on from the service that writes them, as they come."""

from typing import Final

from starlette.responses import Response, StreamingResponse

from services.portal.edges.visit import Visit

MEDIA_TYPES: Final = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pdf": "application/pdf",
}
"""The forms in which lists are exported, with what a browser is told of each."""


async def handed_on(visit: Visit, address: str, name: str, form: str, /, **params: object) -> Response:
    """The answer of ``address`` as the file ``name.form``. Raises Problem where there is none."""
    parts = await visit.apis.stream(address, **params)
    return StreamingResponse(
        parts,
        media_type=MEDIA_TYPES[form],
        headers={"content-disposition": f'attachment; filename="{name}.{form}"', "cache-control": "no-store"},
    )
