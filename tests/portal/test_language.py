"""Dates, times, weeks and money as a French and an English reader write them, in the zone that they belong to."""

from datetime import UTC, datetime, timedelta

import pytest

from services.portal.edges.language import Language, from_local, sort_key, to_local_field

FRENCH = Language("fr", "Europe/Paris")
ENGLISH = Language("en", "Europe/Paris")
WINTER = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
NBSP, NARROW = "\u00a0", "\u202f"


def test_a_moment_is_said_in_local_time() -> None:
    assert FRENCH.moment(WINTER) == "mardi 24 novembre 2026 à 09:00"
    assert ENGLISH.moment(WINTER) == "Tuesday, 24 November 2026 at 09:00"


def test_the_zone_is_named_where_its_time_differs_from_the_school_s() -> None:
    assert FRENCH.clock(WINTER, "Europe/Madrid") == "09:00"
    assert FRENCH.clock(WINTER, "Indian/Reunion") == "12:00 (La Réunion)"


def test_seconds_are_said_only_where_they_matter() -> None:
    assert FRENCH.clock(WINTER + timedelta(minutes=16, seconds=40)) == "09:16:40"


def test_money_and_shares() -> None:
    assert FRENCH.money(113_100) == f"1{NARROW}131,00{NBSP}€"
    assert ENGLISH.money(113_100) == "€1,131.00"
    assert FRENCH.percent(50) == f"50{NBSP}%"


@pytest.mark.parametrize(
    ("week", "said"),
    [
        ("2026-W47", "16 – 22 nov. 2026"),
        ("2026-W49", "30 nov. – 6 déc. 2026"),
        ("2026-W53", "28 déc. 2026 – 3 janv. 2027"),
    ],
)
def test_a_week_is_said_by_its_days(week: str, said: str) -> None:
    assert FRENCH.week(week) == said


def test_a_date_that_is_typed_keeps_its_hour_across_the_change_from_summer_time() -> None:
    before, after = from_local("2026-10-24T10:00", "Europe/Paris"), from_local("2026-10-25T10:00", "Europe/Paris")
    assert (before.hour, after.hour) == (8, 9)
    assert to_local_field(after, "Europe/Paris") == "2026-10-25T10:00"


def test_durations() -> None:
    assert [FRENCH.duration(minutes) for minutes in (45, 60, 90)] == [
        f"45{NBSP}min",
        f"1{NBSP}h",
        f"1{NBSP}h{NBSP}30",
    ]


def test_names_are_in_the_order_in_which_readers_look_for_them() -> None:
    names = ["Zoé", "Étienne", "Adèle", "élodie", "Eva"]
    assert sorted(names, key=sort_key) == ["Adèle", "élodie", "Étienne", "Eva", "Zoé"]
