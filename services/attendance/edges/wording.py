"""French words that the CSV files show for codes."""

from collections.abc import Mapping
from typing import Final

from services.attendance.domain.standing import Standing

FUNDINGS: Final[Mapping[str | None, str]] = {
    "third_party": "Financé par un organisme tiers",
    "apprenticeship": "En alternance",
    "self_funded": "Auto-financement",
    None: "",
}
STANDINGS: Final[Mapping[Standing, str]] = {
    Standing.PLANNED: "prévue",
    Standing.ATTENDED: "réalisée",
    Standing.EXCUSED: "absence excusée",
    Standing.UNEXCUSED: "absence non excusée",
    Standing.TO_QUALIFY: "à qualifier",
}
