"""The steps of a lane, one by one: what a partition's gap means, and for how long."""

from collections.abc import Sequence
from typing import Any

from services.chassis.effects import StoredRecord
from services.chassis.inbox_steps import Apply, Lane, ReadPositions, Seek, Steps

TOPIC = "test"


def records(*places: tuple[int, int]) -> Sequence[StoredRecord]:
    """Records at (partition, offset)."""
    return [StoredRecord(TOPIC, partition, offset, b"key", b"", ()) for partition, offset in places]


def lane_at(positions: dict[int, int]) -> Lane:
    lane = Lane(TOPIC, lambda: 0.0)
    asked = lane.assigned(positions)
    assert next(asked) == ReadPositions(sorted(positions))
    step: Any = asked.send(positions)
    for partition, offset in positions.items():
        assert step == Seek(partition, offset)
        step = next_of(asked, answer=True)
    assert step is None
    return lane


def next_of(steps: Steps[None], answer: object) -> object:
    """The step that follows ``answer``; None where there is none."""
    try:
        return steps.send(answer)
    except StopIteration:
        return None


def applied(step: object) -> tuple[dict[int, list[int]], bool]:
    assert isinstance(step, Apply)
    offsets = {partition: [record.offset for record in batch] for partition, batch in step.batch.items()}
    return offsets, step.one_by_one


def test_what_begins_behind_the_position_is_sought_and_believed_once_it_was_read_again() -> None:
    lane = lane_at({0: 6})
    first = lane.take(records((0, 7)))
    assert next(first) == Seek(0, 6)
    assert next_of(first, answer=True) is None
    again = lane.take(records((0, 7)))
    assert applied(next(again)) == ({0: [7]}, False)


def test_a_gap_stays_believed_where_the_batch_behind_it_is_tried_one_by_one() -> None:
    lane = lane_at({0: 6})
    first = lane.take(records((0, 7)))
    assert next(first) == Seek(0, 6)
    assert next_of(first, answer=True) is None
    again = lane.take(records((0, 7)))
    assert applied(next(again)) == ({0: [7]}, False)
    assert applied(again.throw(LookupError("poison"))) == ({0: [7]}, True)


def test_what_was_sought_is_not_believed_because_another_partition_is_tried_again() -> None:
    lane = lane_at({0: 6, 1: 0})
    taking = lane.take(records((0, 7), (1, 0)))
    assert next(taking) == Seek(0, 6)
    assert applied(next_of(taking, answer=True)) == ({1: [0]}, False)
    assert applied(taking.throw(LookupError("poison"))) == ({1: [0]}, True)
