"""Who may see and do what with sessions."""

from typing import Final

from services.chassis.access import ACCOMPANIES, ALL, HOLDS, IS, LENDS, Rule

# Planning: whoever would hold the session, that is, the student's present mentor.
PLAN: Final = Rule(mentor=HOLDS, support=ALL, directory=ALL)
CHANGE: Final = Rule(mentor=HOLDS, support=ALL)
READ_TO_DOCUMENT: Final = Rule(support=ALL, billing=ALL)
CORRECT: Final = Rule(support=ALL)
IMPORT: Final = Rule(support=ALL, directory=ALL)
READ: Final = Rule(
    mentor=HOLDS | ACCOMPANIES | LENDS, student=IS, support=ALL, billing=ALL, training=ALL, directory=ALL
)
