"""The school's words for what the services write as codes: reasons, outcomes, fundings, states, events."""

from services.portal.edges.language import Language


class Words:
    """Each method takes a code and says it; a code that is not known yet is shown as it is."""

    def __init__(self, language: Language) -> None:
        say = language.say
        self._reasons = {
            "student_early": say("L'étudiant a annulé plus de 24h avant le début de la session"),
            "student_late": say("L'étudiant a annulé moins de 24h avant le début de la session"),
            "student_no_show": say("L'étudiant ne s'est pas présenté à la session"),
            "other": say("Autre"),
        }
        self._outcomes = {
            "held": say("Tenue"),
            "student_early": say("Annulée plus de 24h avant"),
            "student_late": say("Annulée moins de 24h avant"),
            "student_no_show": say("Étudiant absent"),
            "other": say("Annulée, autre motif"),
            "planned": say("Prévue"),
            "scheduled": say("Prévue"),
        }
        self._statuses = {"scheduled": say("Prévue"), "cancelled": say("Annulée"), "held": say("Tenue")}
        self._causes = {
            "mentor": say("du côté du mentor"),
            "platform": say("la plateforme"),
            "student": say("du côté de l'étudiant"),
            "force_majeure": say("force majeure"),
        }
        self._fundings = {
            "third_party": say("Financé par un organisme tiers"),
            "apprenticeship": say("En alternance"),
            "self_funded": say("Auto-financement"),
        }
        self._roles = {
            "mentor": say("Mentor"),
            "student": say("Étudiant"),
            "support": say("Support"),
            "billing": say("Facturation"),
            "training": say("Administration de la formation"),
            "directory": say("Annuaire de l'école"),
            "import": say("Import"),
            "service": say("Service"),
            "operator": say("Exploitation"),
        }
        self._email_states = {
            "queued": say("En attente"),
            "sending": say("En cours d'envoi"),
            "sent": say("Envoyé"),
            "failed": say("En échec"),
            "suppressed": say("Non envoyé (historique importé)"),
        }
        self._diagnoses = {
            "not_a_mentor_account": say("L'adresse e-mail est celle d'un compte mentor"),
            "not_on_path": say("Ce mentor est positionné sur le parcours"),
            "project_not_on_profile": say("Le projet en cours est renseigné sur son profil"),
            "capacity_full": say("Il lui reste assez de disponibilités"),
        }
        self._events = {
            "SessionScheduled": say("Session planifiée"),
            "SessionRescheduled": say("Session déplacée"),
            "SessionCancelled": say("Session annulée"),
            "SessionHeld": say("Session tenue"),
            "SessionReassigned": say("Session confiée à un autre mentor"),
            "SessionCorrected": say("Session corrigée par le support"),
            "MentorRegistered": say("Mentor inscrit"),
            "MentorUpdated": say("Profil du mentor modifié"),
            "MentorCapacityChanged": say("Capacité d'accueil modifiée"),
            "StudentEnrolled": say("Étudiant inscrit"),
            "StudentUpdated": say("Profil de l'étudiant modifié"),
            "StudentTransferred": say("Étudiant transféré"),
            "AbsenceDeclared": say("Absence déclarée"),
            "AbsenceChanged": say("Absence modifiée"),
            "AbsenceEnded": say("Absence terminée"),
            "HelpRequested": say("Aide demandée au support"),
            "AbsenceReminderDue": say("Rappel d'absence"),
            "PrivateCommentAdded": say("Commentaire privé ajouté"),
            "StatementLineAdded": say("Ligne d'appel à facturation"),
            "LineDisputed": say("Ligne contestée"),
            "DisputeWithdrawn": say("Contestation retirée"),
            "DisputeSettled": say("Réponse à une ligne contestée"),
            "StatementClosed": say("Appel à facturation clôturé"),
            "TransferRefused": say("Transfert refusé"),
            "PrivateCommentsRead": say("Commentaires privés lus"),
            "EventSkipped": say("Événement mis de côté, écarté"),
            "SignedIn": say("Connexion au portail"),
            "ViewSwitched": say("Vue reconstruite mise en service"),
        }
        self._transfer_kinds = {
            "one_off": say("Transfert ponctuel"),
            "return": say("Retour"),
            "permanent": say("Transfert définitif"),
        }
        self._standings = {
            "planned": say("Prévue"),
            "attended": say("Présent"),
            "excused": say("Absence excusée"),
            "unexcused": say("Absence non excusée"),
            "to_qualify": say("À qualifier"),
            "missing": say("Semaine sans session"),
            "none": say("Rien de prévu"),
        }
        self._days = {
            "monday": say("lundi"),
            "tuesday": say("mardi"),
            "wednesday": say("mercredi"),
            "thursday": say("jeudi"),
            "friday": say("vendredi"),
            "saturday": say("samedi"),
            "sunday": say("dimanche"),
        }
        self._make_up = {True: say("oui"), False: say("non"), None: say("à qualifier par le support")}
        self._say = say

    def reason(self, code: str | None) -> str:
        return self._reasons.get(code or "", code or "")

    def outcome(self, code: str | None) -> str:
        return self._outcomes.get(code or "", code or "")

    def status(self, code: str) -> str:
        return self._statuses.get(code, code)

    def cause(self, code: str | None) -> str:
        return self._causes.get(code or "", code or "")

    def standing(self, code: str | None) -> str:
        return self._standings.get(code or "", code or "")

    def weekday(self, code: str | None) -> str:
        return self._days.get(code or "", code or "")

    def funding(self, code: str | None) -> str:
        return self._fundings.get(code or "", code or "")

    def transfer_kind(self, code: str | None) -> str:
        return self._transfer_kinds.get(code or "", code or "")

    def role(self, code: str) -> str:
        return self._roles.get(code, code)

    def email_state(self, code: str) -> str:
        return self._email_states.get(code, code)

    def diagnosis(self, code: str) -> str:
        return self._diagnoses.get(code, code)

    def event(self, ce_type: str) -> str:
        """``relais.sessions.SessionCancelled.v1``, or the stored name, as a person says it."""
        return next((self._events[part] for part in ce_type.split(".") if part in self._events), ce_type)

    def actor(self, actor: str) -> str:
        """``mentor:alice@example.org`` → Mentor · alice@example.org"""
        role, separator, who = actor.partition(":")
        return f"{self.role(role)} · {who}" if separator else actor

    def recoverable(self, recoverable: bool | None) -> str:
        if recoverable is None:
            return self._say("À qualifier")
        return self._say("Rattrapable") if recoverable else self._say("Non rattrapable")

    def make_up(self, recoverable: bool | None) -> str:
        return self._make_up[recoverable]

    def tone(self, outcome: str | None, recoverable: bool | None = None) -> str:
        """The colour of an outcome, as the class of a badge."""
        match outcome:
            case "held" | "attended" | "sent":
                return "good"
            case "student_late" | "student_no_show" | "failed" | "unexcused":
                return "bad"
            case "student_early" | "excused":
                return "calm"
            case "other" | "to_qualify" | "queued":
                return "warn" if recoverable is None else "calm" if recoverable else "bad"
            case "cancelled":
                return "calm" if recoverable else "warn" if recoverable is None else "bad"
            case _:
                return "quiet"
