"""The stored names of our events, written out, so that a class can move or be renamed and its history still loads."""

from collections.abc import Mapping
from typing import Final

from services.transfers.domain.mentor import (
    MentorCapacityChanged,
    MentorRegistered,
    MentorUpdated,
    StudentAssigned,
    StudentReleased,
)
from services.transfers.domain.student import PrivateCommentAdded, StudentEnrolled, StudentTransferred, StudentUpdated

EVENT_TYPES: Final[Mapping[str, type]] = {
    "transfers.MentorRegistered.v1": MentorRegistered,
    "transfers.MentorUpdated.v1": MentorUpdated,
    "transfers.MentorCapacityChanged.v1": MentorCapacityChanged,
    "transfers.StudentAssigned.v1": StudentAssigned,
    "transfers.StudentReleased.v1": StudentReleased,
    "transfers.StudentEnrolled.v1": StudentEnrolled,
    "transfers.StudentUpdated.v1": StudentUpdated,
    "transfers.StudentTransferred.v1": StudentTransferred,
    "transfers.PrivateCommentAdded.v1": PrivateCommentAdded,
}
