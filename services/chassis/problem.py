"""Every error is an ``application/problem+json`` (RFC 9457) with a stable ``code`` and a sentence people understand."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import orjson
from starlette.responses import Response

from services.chassis.refusal import Refused
from services.chassis.telemetry import CORRELATION_ID

Language = Literal["fr", "en"]
Sentence = tuple[str, str, str]
"""A code, what it says in French, and in English."""
MEDIA_TYPE = "application/problem+json"
MAX_ERRORS = 1_000  # As many as an import has rows, so that each bad one is named.

TITLES: Mapping[int, Mapping[Language, str]] = {
    400: {"fr": "Demande illisible", "en": "Request not parsable"},
    401: {"fr": "Connexion nécessaire", "en": "Sign-in needed"},
    403: {"fr": "Droit insuffisant", "en": "Not allowed"},
    404: {"fr": "Introuvable", "en": "Not found"},
    405: {"fr": "Méthode non acceptée", "en": "Method not allowed"},
    409: {"fr": "Conflit avec l’existant", "en": "Conflict with what is"},
    412: {"fr": "Version dépassée", "en": "Stale version"},
    413: {"fr": "Demande trop longue", "en": "Request too long"},
    431: {"fr": "En-têtes trop longs", "en": "Headers too long"},
    415: {"fr": "Format non accepté", "en": "Media type not accepted"},
    422: {"fr": "Demande refusée", "en": "Request refused"},
    429: {"fr": "Trop de demandes", "en": "Too many requests"},
    500: {"fr": "Erreur de notre côté", "en": "An error on our side"},
    503: {"fr": "Indisponible pour le moment", "en": "Unavailable for now"},
}

NOT_PARSABLE = (
    "not_parsable",
    "La demande n’a pas pu être lue : elle n’est pas au format attendu.",
    "The request can't be read: it is not in the expected format.",
)
INVALID_BODY = (
    "invalid_body",
    "Certains champs ne sont pas valables ; le détail est indiqué champ par champ.",
    "Some fields are not valid; each is listed with its reason.",
)
INVALID_PARAMETER = (
    "invalid_parameter",
    "Un paramètre de la demande n’est pas valable ; le détail est indiqué.",
    "A parameter of the request is not valid; the reason is listed.",
)
UNAVAILABLE = (
    "unavailable",
    "Le service est indisponible pour le moment. Réessayez dans un instant.",
    "The service is unavailable right now. Try again in a moment.",
)
INTERNAL = (
    "internal",
    "Une erreur s’est produite de notre côté. Si elle persiste, donnez le numéro de corrélation au support.",
    "Something went wrong on our side. If it persists, give support the correlation id.",
)
BODY_TOO_LARGE = (
    "body_too_large",
    "La demande dépasse la taille acceptée.",
    "The request is larger than what is accepted.",
)
HEAD_TOO_LARGE = (
    "head_too_large",
    "L’adresse ou les en-têtes de la demande dépassent la taille acceptée.",
    "The address or the headers of the request are larger than what is accepted.",
)
NOT_ACCEPTED = ("not_accepted", "Cette demande n’est pas acceptée.", "This request is not accepted.")
BY_STATUS: Mapping[int, Sentence] = {
    400: NOT_PARSABLE,
    404: ("not_found", "Cette adresse n’existe pas.", "There is nothing at this address."),
    405: ("method_not_allowed", "Cette méthode n’est pas acceptée ici.", "This method is not accepted here."),
    413: BODY_TOO_LARGE,
    431: HEAD_TOO_LARGE,
    415: (
        "media_type_not_accepted",
        "Ce format n’est pas accepté ici : envoyez du JSON (Content-Type: application/json).",
        "This media type is not accepted here: send JSON (Content-Type: application/json).",
    ),
    503: UNAVAILABLE,
}


def language_of(accept_language: str | None) -> Language:
    """French or English by ``Accept-Language`` (RFC 9110), the higher weight first; French where it says neither."""
    best: tuple[float, Language] = (0.0, "fr")
    for part in (accept_language or "")[:500].split(","):
        tag, _, parameter = part.partition(";")
        language = tag.strip().lower().partition("-")[0]
        try:
            weight = float(parameter.strip().removeprefix("q=")) if parameter.strip() else 1.0
        except ValueError:
            continue
        if weight > best[0]:
            if language == "fr" or language == "*":
                best = (weight, "fr")
            elif language == "en":
                best = (weight, "en")
    return best[1]


def problem(
    status: int,
    sentence: Sentence,
    language: Language,
    *,
    errors: Iterable[Mapping[str, object]] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The answer for ``sentence`` (its code, in French, in English); ``errors`` in both languages are put in one."""
    code, french, english = sentence
    titles = TITLES.get(status) or TITLES[500 if status >= 500 else 422]
    body: dict[str, object] = {
        "type": f"urn:relais:problem:{code}",
        "title": titles[language],
        "status": status,
        "detail": french if language == "fr" else english,
        "code": code,
        "errors": [_in_language(error, language) for error, _ in zip(errors, range(MAX_ERRORS), strict=False)],
        "correlation_id": CORRELATION_ID.get(),
    }
    return Response(
        orjson.dumps(body, default=str, option=orjson.OPT_UTC_Z),
        status_code=status,
        media_type=MEDIA_TYPE,
        headers={"Content-Language": language, "Vary": "Accept-Language", **(headers or {})},
    )


def refusal_problem(refused: Refused, language: Language) -> Response:
    """A refusal of the domain or of the chassis, by its class's status."""
    headers: dict[str, str] = {}
    if refused.status == 401:
        challenge = 'Bearer realm="relais"'
        headers["WWW-Authenticate"] = challenge + (
            ', error="invalid_token"' if getattr(refused, "token_given", False) else ""
        )
    if refused.status in (429, 503):
        headers["Retry-After"] = str(getattr(refused, "retry_after_s", 2))
    return problem(
        refused.status, (refused.code, refused.fr, refused.en), language, errors=refused.errors, headers=headers
    )


def _in_language(error: Mapping[str, object], language: Language) -> dict[str, object]:
    """A ``{"fr": …, "en": …}`` becomes its text; a pair ``fr``, ``en`` beside other fields becomes ``message``."""
    plain: dict[str, object] = {}
    for name, value in error.items():
        both = isinstance(value, Mapping) and set(value) == {"fr", "en"}
        plain[name] = value[language] if both else value  # type: ignore[index]
    if {"fr", "en"} <= plain.keys():
        sentences = {"fr": plain.pop("fr"), "en": plain.pop("en")}
        plain["message"] = sentences[language]
    return plain


def validation_errors(found: Sequence[Mapping[str, Any]], language: Language) -> list[dict[str, object]]:
    """Pydantic's findings as ``{field, code, message}``; never with what was sent, which may be personal."""
    errors: list[dict[str, object]] = []
    for finding in found[:MAX_ERRORS]:
        path = finding["loc"][1:] if len(finding["loc"]) > 1 else ()
        field = ".".join(str(part) for part in path)
        errors.append({"field": field, "code": finding["type"], "message": _sentence(finding, language)})
    return errors


def _sentence(finding: Mapping[str, Any], language: Language) -> str:
    if language == "en":
        return str(finding["msg"])
    template = _FRENCH.get(finding["type"])
    if template is None:
        return "Cette valeur n’est pas acceptée."
    try:
        said = {name: str(value).replace("' or '", "' ou '") for name, value in finding.get("ctx", {}).items()}
        return template.format(**said)
    except (KeyError, IndexError, ValueError):
        return "Cette valeur n’est pas acceptée."


_DATE = "Une date avec heure et fuseau est attendue, par exemple 2026-11-03T17:00:00Z."
_INTEGER = "Un nombre entier est attendu."
_FRENCH: Mapping[str, str] = {
    "missing": "Ce champ est obligatoire.",
    "extra_forbidden": "Ce champ n’est pas prévu ici.",
    "string_type": "Un texte est attendu.",
    "string_too_short": "Ce texte est trop court (au moins {min_length} caractères).",
    "string_too_long": "Ce texte est trop long (au plus {max_length} caractères).",
    "string_pattern_mismatch": "Ce texte n’a pas la forme attendue.",
    "string_unicode": "Ce texte contient des caractères qui ne sont pas valables.",
    "int_type": _INTEGER,
    "int_parsing": _INTEGER,
    "int_from_float": _INTEGER,
    "bool_type": "Oui ou non est attendu (true ou false).",
    "bool_parsing": "Oui ou non est attendu (true ou false).",
    "uuid_type": "Un identifiant (UUID) est attendu.",
    "uuid_parsing": "Un identifiant (UUID) est attendu.",
    "datetime_type": _DATE,
    "datetime_parsing": _DATE,
    "datetime_from_date_parsing": _DATE,
    "datetime_object_invalid": _DATE,
    "timezone_aware": "Il manque le fuseau horaire : ajoutez Z ou un décalage comme +01:00.",
    "date_type": "Une date est attendue, par exemple 2026-11-03.",
    "date_parsing": "Une date est attendue, par exemple 2026-11-03.",
    "date_from_datetime_parsing": "Une date est attendue, par exemple 2026-11-03.",
    "enum": "Valeurs acceptées : {expected}.",
    "literal_error": "Valeurs acceptées : {expected}.",
    "greater_than": "Cette valeur doit être supérieure à {gt}.",
    "greater_than_equal": "Cette valeur doit être au moins {ge}.",
    "less_than": "Cette valeur doit être inférieure à {lt}.",
    "less_than_equal": "Cette valeur doit être au plus {le}.",
    "list_type": "Une liste est attendue.",
    "too_long": "Cette liste est trop longue (au plus {max_length}).",
    "too_short": "Cette liste est trop courte (au moins {min_length}).",
    "dict_type": "Un objet est attendu.",
    "model_type": "Un objet est attendu.",
    "model_attributes_type": "Un objet est attendu.",
    "none_required": "Ce champ doit rester vide.",
    "value_error": "Cette valeur n’est pas valable.",
}
