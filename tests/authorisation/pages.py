"""Every route of the portal with who may use it: its pages, forms, downloads and feeds.

Of the same school as ``table.py``, and by the same people; the directory has no page. ``nobody`` is signed out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from tests.authorisation.table import BILLING_TEAM, MENTORS, STUDENTS, SUPPORT, TRAINING_TEAM

BILLING: Final = frozenset({"billing"})
TEAMS: Final = frozenset({"support", "billing", "training"})
SIGNED_IN: Final = MENTORS | STUDENTS | TEAMS
ANYBODY: Final = SIGNED_IN | {"nobody"}
HERS: Final = frozenset({"alice", "bruno", "zoe"})
LENDER_AND_REPLACEMENT: Final = frozenset({"alice", "bruno"})


@dataclass(frozen=True)
class Page:
    """``request`` as "GET /…", its ids in braces filled in by the test.

    The ``allowed`` get ``answer``. Of the others: ``elsewhere`` are led to another page, ``missing`` get 404, ``told``
    may read what the form is about and see the refusal (403) on it, everybody else gets 403. Signed out: to sign in.
    Of the ``allowed``, those ``without_hers`` get a page with nothing of the student on it.
    Where a form would change something, it is sent so that a rule refuses it, and ``answer`` is that refusal.
    """

    request: str
    allowed: frozenset[str]
    answer: int = 200
    form: Mapping[str, str] | None = None
    elsewhere: frozenset[str] = frozenset()
    missing: frozenset[str] = frozenset()
    told: frozenset[str] = frozenset()
    without_hers: frozenset[str] = frozenset()
    query: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.request + ("?" + "&".join(self.query) if self.query else "")

    def expected(self, person: str) -> int:
        if person in self.allowed:
            return self.answer
        if person in self.elsewhere or person == "nobody":
            return 303
        return 404 if person in self.missing else 403


def form(
    request: str,
    allowed: frozenset[str],
    answer: int = 422,
    *,
    told: frozenset[str] = frozenset(),
    missing: frozenset[str] = frozenset(),
    **fields: str,
) -> Page:
    return Page(f"POST {request}", allowed, answer, fields, told=told, missing=missing)


EVERYBODY_S: Final = (
    Page("GET /", SIGNED_IN - {"billing", "training"}, elsewhere=frozenset({"billing", "training"})),
    Page("GET /connexion", ANYBODY, 303),
    Page("GET /connexion/retour", ANYBODY, 403),
    Page("GET /deconnecte", ANYBODY),
    form("/langue", ANYBODY, 303, langue="fr", suite="/"),
    Page("GET /docs", ANYBODY),
    Page("GET /openapi.json", ANYBODY),
    Page("GET /health/live", ANYBODY),
    Page("GET /health/ready", ANYBODY),
    Page("GET /metrics", ANYBODY),
    Page("GET /issuer/.well-known/openid-configuration", ANYBODY),
    Page("GET /issuer/jwks", ANYBODY),
    Page("GET /issuer/authorize", ANYBODY, 400),
    form("/issuer/authorize", ANYBODY, 400),
    form("/issuer/token", ANYBODY, 401),
    Page("GET /issuer/sign-out", ANYBODY, 303),
    Page("GET /mon-compte", MENTORS | STUDENTS),
    form("/mon-compte/agenda", MENTORS | STUDENTS, 303, lien="aucun"),
    form("/mon-compte/langue", MENTORS | STUDENTS, 303, langue="fr", courrier="fr"),
    form("/mon-compte/capacite", MENTORS, capacity="beaucoup"),
)

SESSIONS: Final = (
    Page("GET /sessions", MENTORS | STUDENTS, elsewhere=TEAMS),
    Page(
        "GET /sessions",
        MENTORS | STUDENTS,
        elsewhere=TEAMS,
        without_hers=frozenset({"chloe", "max"}),
        query={"etudiant": "{zoe_id}"},
    ),
    Page("GET /sessions/nouvelle", MENTORS),
    form("/sessions/nouvelle", MENTORS, student_id="{zoe_id}"),
    Page("GET /sessions/{session_id}", HERS | TEAMS),
    Page("GET /sessions/{session_id}/effets", HERS | TEAMS),
    Page("GET /sessions/{session_id}/annuler", LENDER_AND_REPLACEMENT | SUPPORT),
    form("/sessions/{session_id}/annuler", SUPPORT | {"bruno"}, told=frozenset({"alice"}), reason="student_no_show"),
    Page("GET /sessions/{session_id}/deplacer", LENDER_AND_REPLACEMENT | SUPPORT),
    form(
        "/sessions/{session_id}/deplacer",
        SUPPORT | {"bruno"},
        told=frozenset({"alice"}),
        day="2020-01-01",
        requested_by="mentor",
        hour="10:00",
    ),
    Page("GET /sessions/{session_id}/tenue", LENDER_AND_REPLACEMENT | SUPPORT),
    form("/sessions/{session_id}/tenue", SUPPORT | {"bruno"}, told=frozenset({"alice"})),
    Page("GET /sessions/{session_id}/rattraper", LENDER_AND_REPLACEMENT),
    form(
        "/sessions/{session_id}/rattraper",
        frozenset({"bruno"}),
        told=frozenset({"alice"}),
        starts_at="2020-01-01T10:00",
        duration_minutes="45",
    ),
    Page("GET /sessions/{session_id}/corriger", SUPPORT),
    form("/sessions/{session_id}/corriger/effets", SUPPORT),
    form("/sessions/{session_id}/corriger", SUPPORT, choix="held", pourquoi="Erreur."),
)

STUDENT_S: Final = (
    Page("GET /etudiants", MENTORS, without_hers=frozenset({"chloe"})),
    Page("GET /etudiants/{zoe_id}", LENDER_AND_REPLACEMENT | TEAMS),
    Page("GET /etudiants/{zoe_id}/informations", LENDER_AND_REPLACEMENT | TEAMS),
    form(
        "/etudiants/{zoe_id}/verification",
        SUPPORT | {"bruno"},
        200,
        told=frozenset({"alice"}),
        mentor_email="x@example.org",
    ),
    form("/etudiants/{zoe_id}/transfert", SUPPORT | {"bruno"}, told=frozenset({"alice"}), mentor_email="x@example.org"),
    Page("GET /etudiants/{zoe_id}/transfert/effets", LENDER_AND_REPLACEMENT | SUPPORT),
    Page("GET /etudiants/{zoe_id}/commentaires", LENDER_AND_REPLACEMENT | SUPPORT),
    form("/etudiants/{zoe_id}/commentaires", LENDER_AND_REPLACEMENT | SUPPORT, text=""),
    Page("GET /etudiants/{zoe_id}/assiduite", LENDER_AND_REPLACEMENT | SUPPORT | {"training"}),
    Page("GET /etudiants/{zoe_id}/assiduite.csv", LENDER_AND_REPLACEMENT | SUPPORT | {"training"}),
    Page("GET /etudiants/{zoe_id}/assiduite.pdf", LENDER_AND_REPLACEMENT | SUPPORT | {"training"}),
    Page("GET /assiduite", STUDENTS, without_hers=frozenset({"max"})),
)

ABSENCES: Final = (
    Page("GET /absences", MENTORS, without_hers=frozenset({"chloe"})),
    form("/absences", MENTORS),
    Page("GET /absences/{absence_id}", LENDER_AND_REPLACEMENT),
    form(
        "/absences/{absence_id}/dates",
        frozenset({"alice"}),
        303,
        told=frozenset({"bruno"}),
        du="{leave_from}",
        au="{leave_to}",
    ),
    form(
        "/absences/{absence_id}/accords",
        frozenset({"alice"}),
        told=frozenset({"bruno"}),
        student_id="{nobody_id}",
        consent="asked",
    ),
    form(
        "/absences/{absence_id}/preparation",
        frozenset({"alice"}),
        303,
        told=frozenset({"bruno"}),
        item="peers_asked",
        done="oui",
    ),
    form("/absences/{absence_id}/aide", frozenset({"alice"}), told=frozenset({"bruno"})),
    form("/absences/{ended_absence_id}/fin", frozenset({"alice"}), 303),
    form("/absences/{absence_id}/retour", LENDER_AND_REPLACEMENT),
    form("/absences/{absence_id}/capacite", LENDER_AND_REPLACEMENT, capacity="beaucoup"),
    Page("GET /absences/{absence_id}/etudiants/{zoe_id}", LENDER_AND_REPLACEMENT),
    form("/absences/{absence_id}/etudiants/{zoe_id}/note", LENDER_AND_REPLACEMENT),
    form(
        "/absences/{absence_id}/etudiants/{zoe_id}/verification",
        frozenset({"bruno"}),
        200,
        told=frozenset({"alice"}),
        mentor_email="x@example.org",
    ),
    form(
        "/absences/{absence_id}/etudiants/{zoe_id}/transfert",
        frozenset({"bruno"}),
        told=frozenset({"alice"}),
        mentor_email="x@example.org",
    ),
)

STATEMENTS: Final = (
    Page("GET /appel-a-facturation", MENTORS, 303),
    Page("GET /appel-a-facturation/{month}", MENTORS),
    Page("GET /appel-a-facturation/{month}/csv", MENTORS),
    Page("GET /appel-a-facturation/{month}/pdf", MENTORS),
    form("/appel-a-facturation/{month}/contestation", MENTORS, 404, ligne="0123456789ab"),
    form("/appel-a-facturation/{month}/raison", MENTORS, 404, ligne="0123456789ab", reason="Un essai."),
    form("/appel-a-facturation/{month}/retrait", MENTORS, 404, ligne="0123456789ab"),
    Page("GET /facturation", BILLING_TEAM),
    Page("GET /facturation/export", BILLING_TEAM, query={"mois": "{month}", "forme": "csv"}),
    Page("GET /facturation/export", BILLING_TEAM, query={"mois": "{month}", "forme": "xlsx"}),
    Page("GET /facturation/export", BILLING_TEAM, query={"mois": "{month}", "forme": "pdf"}),
    Page("GET /facturation/cloture", BILLING, query={"mois": "2020-01"}),
    form("/facturation/cloture", BILLING, 409, mois="2020-01", vu="rien"),
    Page("GET /facturation/{bruno_id}/{month}", BILLING_TEAM),
    Page("GET /facturation/{bruno_id}/{month}/csv", BILLING_TEAM),
    Page("GET /facturation/{bruno_id}/{month}/pdf", BILLING_TEAM),
    Page("GET /facturation/{bruno_id}/{month}/cloture", BILLING),
    form("/facturation/{bruno_id}/{next_month}/cloture", BILLING, lines="0", total_cents="0"),
    Page("GET /contestations", BILLING_TEAM),
    form("/contestations/{nobody_id}", BILLING_TEAM, 404, reponse="Un essai."),
)

SUPPORT_S: Final = (
    Page("GET /recherche", SUPPORT, query={"q": "zoe"}),
    Page("GET /recherche", SUPPORT, 303, query={"q": "{session_id}"}),
    Page("GET /aide", SUPPORT),
    Page("GET /journal", SUPPORT),
    Page("GET /journal/evenement", SUPPORT, 303),
    Page("GET /journal/{nobody_id}", SUPPORT, 404),
    Page("GET /journal/{nobody_id}/direct", SUPPORT, 404),
    Page("GET /chronologie/{kind}/{zoe_id}", SUPPORT),
    Page("GET /a-une-date/{kind}/{zoe_id}", SUPPORT),
    Page("GET /e-mails", SUPPORT),
    Page("GET /e-mails/{email_id}", SUPPORT),
    form("/e-mails/{email_id}/renvoi", SUPPORT, 303),
    Page("GET /retards", SUPPORT),
    Page("GET /retards/direct", SUPPORT),
    Page("GET /retards/{service}", SUPPORT),
    Page("GET /retards/{service}/direct", SUPPORT),
    Page("GET /reconstructions", SUPPORT),
    Page("GET /reconstructions/direct", SUPPORT),
    Page("GET /mis-de-cote", SUPPORT),
    Page("GET /mis-de-cote/{service}/{parked_id}", SUPPORT, 404),
    Page("GET /mis-de-cote/{service}/{parked_id}/reprise", SUPPORT, 404),
    Page("GET /mis-de-cote/{service}/{parked_id}/abandon", SUPPORT, 404),
    form("/mis-de-cote/{service}/{parked_id}/reprise", SUPPORT, 404),
    form("/mis-de-cote/{service}/{parked_id}/abandon", SUPPORT, 404, raison="Un essai."),
)

TRAINING_S: Final = (
    Page("GET /continuite", TRAINING_TEAM),
    Page("GET /continuite/csv", TRAINING_TEAM),
    Page("GET /dossiers", TRAINING_TEAM),
    Page("GET /dossiers/export", TRAINING_TEAM, query={"forme": "csv"}),
    Page("GET /dossiers/export", TRAINING_TEAM, query={"forme": "xlsx"}),
    Page("GET /dossiers/export", TRAINING_TEAM, query={"forme": "pdf"}),
    Page("GET /dossiers/{zoe_id}/attestation", TRAINING_TEAM, query={"du": "2026-11-01", "au": "2026-11-30"}),
)

# Signing out ends the session that the other rows need, so it is tried last, on its own.
LAST: Final = form("/deconnexion", ANYBODY, 303)

PAGES: Final = (
    *EVERYBODY_S, *SESSIONS, *STUDENT_S, *ABSENCES, *STATEMENTS, *SUPPORT_S, *TRAINING_S, LAST,
)  # fmt: skip
