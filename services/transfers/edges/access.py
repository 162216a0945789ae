"""Who may see and do what with accounts, transfers, comments and absences."""

from typing import Final

from services.chassis.access import ACCOMPANIED, ACCOMPANIES, ALL, HOLDS, IS, LENDS, Rule

PUT_ACCOUNT: Final = Rule(directory=ALL, support=ALL)
IMPORT: Final = Rule(directory=ALL, support=ALL)
SET_CAPACITY: Final = Rule(mentor=HOLDS, support=ALL, directory=ALL)
# T15: mentors find each other by exact e-mail alone.
LIST_MENTORS: Final = Rule(support=ALL, directory=ALL, billing=ALL, training=ALL)
# A student reads name and address, no more.
READ_MENTOR: Final = Rule(mentor=HOLDS, student=ACCOMPANIED, support=ALL, directory=ALL, billing=ALL, training=ALL)
READ_OWN_MENTOR: Final = Rule(mentor=HOLDS)
LIST_STUDENTS: Final = Rule(mentor=ACCOMPANIES | LENDS, support=ALL, directory=ALL, billing=ALL, training=ALL)
READ_STUDENT: Final = Rule(
    mentor=ACCOMPANIES | LENDS, student=IS, support=ALL, directory=ALL, billing=ALL, training=ALL
)
READ_OWN_STUDENT: Final = Rule(student=IS)
CHOOSE_LANGUAGE: Final = Rule(student=IS, support=ALL)
TRANSFER: Final = Rule(mentor=ACCOMPANIES, support=ALL)
COMMENT: Final = Rule(mentor=ACCOMPANIES | LENDS, support=ALL)
PREPARE_ABSENCE: Final = Rule(mentor=HOLDS, support=ALL)
# T16: a replacement gives back the students whom they accompany.
RETURN_STUDENTS: Final = Rule(mentor=HOLDS | ACCOMPANIES, support=ALL)
READ_ABSENCE: Final = Rule(mentor=HOLDS | ACCOMPANIES, support=ALL, training=ALL)
LIST_ABSENCES: Final = Rule(mentor=HOLDS, support=ALL, training=ALL)
