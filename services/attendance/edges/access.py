"""Who may see students' files and the board of continuity."""

from typing import Final

from services.chassis.access import ACCOMPANIES, ALL, IS, LENDS, Rule

READ_FILE: Final = Rule(mentor=ACCOMPANIES | LENDS, student=IS, support=ALL, training=ALL)
READ_ALL_FILES: Final = Rule(support=ALL, training=ALL)
READ_BOARD: Final = Rule(mentor=ACCOMPANIES | LENDS, support=ALL, training=ALL)
READ_ENTRIES_OF_EVENTS: Final = Rule(support=ALL, training=ALL)
