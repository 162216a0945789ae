"""Whatever a file holds, reading it gives rows, problems and notes, and never an exception."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.cli.importing.gathering import gather

SAMPLES = Path(__file__).parent / "samples"
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
BITS = st.one_of(
    st.binary(max_size=12),
    st.sampled_from(
        [
            b"",
            b"\x00",
            b"\xff\xfe",
            b'"',
            b";",
            b",",
            b"\r\n",
            b"\n ",
            b"BEGIN:VEVENT\r\n",
            b"END:VEVENT\r\n",
            b"BEGIN:VALARM\r\n",
            b"RRULE:FREQ=YEARLY\r\n",
            b"DTSTART:20261203\r\n",
            b"DTSTART;TZID=Nowhere:20261203T100000\r\n",
            b"DTEND:99991231T235959Z\r\n",
            b"DURATION:PT-1H\r\n",
            b"RDATE:17000101T000000Z\r\n",
            b"RECURRENCE-ID:20261203\r\n",
            b"ATTENDEE:mailto:\r\n",
            b"9999-12-31 23:59",
            b"0001-01-01 00:00",
        ]
    ),
)
CHANGE = st.tuples(st.floats(0, 1), st.integers(0, 40), BITS)


def damaged(whole: bytes, changes: list[tuple[float, int, bytes]]) -> bytes:
    """``whole`` with some bytes taken out, and others put in their place, here and there."""
    for where, length, instead in changes:
        begins = int(where * len(whole))
        whole = whole[:begins] + instead + whole[begins + length :]
    return whole


@pytest.mark.parametrize("name", ["people.csv", "sessions.csv", "google.ics", "outlook.ics"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
@given(changes=st.lists(CHANGE, min_size=1, max_size=6))
def test_a_damaged_file_is_read_to_its_end(name: str, changes: list[tuple[float, int, bytes]]) -> None:
    whole = (SAMPLES / name).read_bytes()
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(damaged(whole, changes))
        lines = len(re.findall(rb"\r\n|\r|\n", path.read_bytes())) + 1
        gathered = gather([path], timezone=ZoneInfo("Europe/Paris"), now=NOW, horizon=timedelta(weeks=4))
        gathered.sessions.close()
    for problem in gathered.problems:
        assert problem.file == name
        assert 1 <= problem.line <= lines
        assert problem.fr
        assert problem.en
