"""Who may read the audit log and what events caused."""

from typing import Final

from services.chassis.access import ALL, Rule

# Everybody who has pages, of themselves.
SIGN_IN: Final = Rule(mentor=ALL, student=ALL, support=ALL, billing=ALL, training=ALL)
READ: Final = Rule(support=ALL)
