"""The stored names of our events, written out, so that a class can move or be renamed and its history still loads."""

from collections.abc import Mapping
from typing import Final

from services.transfers.domain import absence, comments_read, mentor, refused_transfer, student

EVENT_TYPES: Final[Mapping[str, type]] = {
    "transfers.MentorRegistered.v1": mentor.MentorRegistered,
    "transfers.MentorUpdated.v1": mentor.MentorUpdated,
    "transfers.MentorCapacityChanged.v1": mentor.MentorCapacityChanged,
    "transfers.StudentAssigned.v1": mentor.StudentAssigned,
    "transfers.StudentReleased.v1": mentor.StudentReleased,
    "transfers.LeavePlanned.v1": mentor.LeavePlanned,
    "transfers.LeaveOver.v1": mentor.LeaveOver,
    "transfers.StudentEnrolled.v1": student.StudentEnrolled,
    "transfers.StudentUpdated.v1": student.StudentUpdated,
    "transfers.LanguageChosen.v1": student.LanguageChosen,
    "transfers.StudentTransferred.v1": student.StudentTransferred,
    "transfers.TransferRefused.v1": refused_transfer.TransferRefused,
    "transfers.PrivateCommentAdded.v1": student.PrivateCommentAdded,
    "transfers.PrivateCommentsRead.v1": comments_read.PrivateCommentsRead,
    "transfers.AbsenceDeclared.v1": absence.AbsenceDeclared,
    "transfers.AbsenceChanged.v1": absence.AbsenceChanged,
    "transfers.AbsenceEnded.v1": absence.AbsenceEnded,
    "transfers.ConsentRecorded.v1": absence.ConsentRecorded,
    "transfers.PreparationTicked.v1": absence.PreparationTicked,
    "transfers.HelpRequested.v1": absence.HelpRequested,
    "transfers.AbsenceReminderDue.v1": absence.AbsenceReminderDue,
}
