"""The words in which the tests of billing are written: a tariff with round figures, sessions, statements."""

from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from services.billing.domain.month import Month
from services.billing.domain.statement import Documented, EarlierLine, NewLine, Posting, post
from services.billing.domain.tariff import Outcome, Price, Tariff, TariffVersion

PARIS = ZoneInfo("Europe/Paris")
MINUTE = timedelta(minutes=1)

OCTOBER, NOVEMBER, DECEMBER, JANUARY = Month(2026, 10), Month(2026, 11), Month(2026, 12), Month(2027, 1)

MENTOR = UUID("00000000-0000-7000-8000-0000000000a1")
STUDENT = UUID("00000000-0000-7000-8000-0000000000b1")
SESSION = UUID("00000000-0000-7000-8000-0000000000c1")

CHANGE_DAY = date(2026, 11, 16)


def line_id(number: int) -> UUID:
    return UUID(int=0x7000 << 64 | number)


def paris(year: int, month: int, day: int, hour: int = 18, minute: int = 0) -> datetime:
    """An instant by the clock in Paris, in UTC."""
    return datetime(year, month, day, hour, minute, tzinfo=PARIS).astimezone(UTC)


def shares(held: int, early: int, late: int, no_show: int, other: int) -> dict[Outcome, dict[int, int]]:
    by_outcome = zip(Outcome, (held, early, late, no_show, other), strict=True)
    return {outcome: {1: share, 2: share, 3: share} for outcome, share in by_outcome}


TARIFF = Tariff(
    currency="EUR",
    versions=[
        TariffVersion("winter", CHANGE_DAY, {1: 2000, 2: 3000, 3: 4000}, shares(100, 0, 60, 60, 10)),
        TariffVersion("summer", date(2026, 4, 1), {1: 1000, 2: 2001, 3: 3000}, shares(100, 0, 50, 50, 0)),
    ],
    level_by_path={"web-developer": 1, "python-developer": 2, "data-engineer": 3},
    default_level=1,
)


def documented(
    outcome: Outcome | None, *, starts_at: datetime, path: str | None = "web-developer", event: int = 1
) -> Documented:
    return Documented(
        event_id=UUID(int=event),
        session_id=SESSION,
        student_id=STUDENT,
        mentor_id=MENTOR,
        starts_at=starts_at,
        duration_minutes=45,
        path=path,
        outcome=outcome,
    )


def posted(what: Documented, *, earlier: Collection[EarlierLine] = (), closed: Collection[Month] = ()) -> Posting:
    return post(what, list(earlier), set(closed), TARIFF, PARIS)


def line_of(posting: Posting) -> NewLine:
    assert posting.line is not None, "nothing is posted"
    return posting.line


SUMMER_LEVEL_1_HELD = Price(level=1, rate_cents=1000, share_percent=100, amount_cents=1000, rate_version="summer")
SUMMER_LEVEL_1_NO_SHOW = Price(level=1, rate_cents=1000, share_percent=50, amount_cents=500, rate_version="summer")
WINTER_LEVEL_1_HELD = Price(level=1, rate_cents=2000, share_percent=100, amount_cents=2000, rate_version="winter")
