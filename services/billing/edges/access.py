"""Who may see and do what with statements."""

from typing import Final

from services.chassis.access import ALL, HOLDS, Rule

READ: Final = Rule(mentor=HOLDS, support=ALL, billing=ALL)
CLOSE: Final = Rule(billing=ALL)
READ_ALL: Final = Rule(support=ALL, billing=ALL)
READ_LINES_OF_EVENTS: Final = Rule(support=ALL, billing=ALL)
DISPUTE: Final = Rule(mentor=HOLDS)
READ_DISPUTES: Final = Rule(support=ALL, billing=ALL)
SETTLE: Final = Rule(support=ALL, billing=ALL)
