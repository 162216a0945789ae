"""Who may read the audit log and what events caused."""

from typing import Final

from services.chassis.access import ALL, Rule

READ: Final = Rule(support=ALL)
