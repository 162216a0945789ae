"""The local issuer's public side: discovery and keys, so that other tools can check its tokens."""

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from services.chassis.auth import LOCAL_ISSUER, LocalIssuer
from services.portal.edges.visit import AnyVisit, Visit

router = APIRouter(prefix="/issuer")


@router.get("/.well-known/openid-configuration")
async def discovery(visit: AnyVisit) -> JSONResponse:
    _issuer(visit)
    base = str(visit.request.base_url).rstrip("/")
    return JSONResponse(
        {
            "issuer": LOCAL_ISSUER,
            "jwks_uri": f"{base}/issuer/jwks",
            "id_token_signing_alg_values_supported": ["ES256"],
            "subject_types_supported": ["public"],
            "response_types_supported": [],
        }
    )


@router.get("/jwks")
async def jwks(visit: AnyVisit) -> JSONResponse:
    return JSONResponse(_issuer(visit).jwks())


def _issuer(visit: Visit) -> LocalIssuer:
    if visit.portal.issuer is None:
        raise HTTPException(404)
    return visit.portal.issuer
