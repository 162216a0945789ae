"""Who may see and do what with e-mails: each reads what was written to them, a mentor also what names them."""

from typing import Final

from services.chassis.access import ALL, HOLDS, IS, Rule

# Somebody else's e-mail is 404: that it was written is theirs to know.
READ: Final = Rule(mentor=HOLDS, student=IS, support=ALL)
RESEND: Final = Rule(support=ALL)
SUBSCRIBE: Final = Rule(mentor=HOLDS, student=IS)
