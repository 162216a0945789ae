"""The published events as support looks for them: which there are, and which belong together."""

from typing import Final

from relais_contracts import REGISTRY

SHOWN_TYPES: Final = tuple(sorted(REGISTRY))

FAMILIES: Final = {
    "relais.sessions": "calendar",
    "relais.transfers": "people",
    "relais.billing": "statement",
    "relais.attendance": "file",
    "relais.notifications": "mail",
    "relais.operations": "log",
}
"""Topic, the first two parts of a type → the picture beside it."""
