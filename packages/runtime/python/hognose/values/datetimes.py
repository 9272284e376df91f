"""Dates and times as arrays of numbers, and back; the `datetime` module is imported where it is needed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import date, datetime, time, timedelta, timezone, tzinfo

__all__ = [
    "date_fields",
    "datetime_fields",
    "make_date",
    "make_datetime",
    "make_time",
    "make_timedelta",
    "time_fields",
    "timedelta_fields",
]


def datetime_fields(value: datetime) -> list[Any] | None:
    """None where its zone is neither a `datetime.timezone` nor a `ZoneInfo` with a key."""
    fields: list[Any] = [
        *(value.year, value.month, value.day),
        *(value.hour, value.minute, value.second, value.microsecond, value.fold),
    ]
    zone: Any = value.tzinfo
    if zone is None:
        return [*fields, None, None, None]
    fixed = _fixed_offset(zone)
    if fixed is not None:
        return [*fields, fixed[0], None, fixed[1]]
    zoneinfo = sys.modules.get("zoneinfo")
    key = zone.key if zoneinfo is not None and type(zone) is zoneinfo.ZoneInfo else None
    if key is None:
        return None
    offset = value.utcoffset()
    return [*fields, 0 if offset is None else _microseconds(offset), key, value.tzname()]


def time_fields(value: time) -> list[Any] | None:
    """None where its zone is no `datetime.timezone`."""
    fields: list[Any] = [value.hour, value.minute, value.second, value.microsecond, value.fold]
    if value.tzinfo is None:
        return [*fields, None, None]
    fixed = _fixed_offset(value.tzinfo)
    return None if fixed is None else [*fields, *fixed]


def date_fields(value: date) -> list[int]:
    """Year, month, day."""
    return [value.year, value.month, value.day]


def timedelta_fields(value: timedelta) -> list[int]:
    """Days, seconds, microseconds."""
    return [value.days, value.seconds, value.microseconds]


def make_datetime(fields: list[Any]) -> datetime:
    """The reverse of `datetime_fields`."""
    import datetime

    year, month, day, hour, minute, second, microsecond, fold, offset, key, name = fields
    if key is not None:
        import zoneinfo

        zone: tzinfo | None = zoneinfo.ZoneInfo(key)
    else:
        zone = _timezone(offset, name)
    return datetime.datetime(year, month, day, hour, minute, second, microsecond, zone, fold=fold)


def make_time(fields: list[Any]) -> time:
    """The reverse of `time_fields`."""
    import datetime

    hour, minute, second, microsecond, fold, offset, name = fields
    return datetime.time(hour, minute, second, microsecond, _timezone(offset, name), fold=fold)


def make_date(fields: list[Any]) -> date:
    """The reverse of `date_fields`."""
    import datetime

    year, month, day = fields
    return datetime.date(year, month, day)


def make_timedelta(fields: list[Any]) -> timedelta:
    """The reverse of `timedelta_fields`."""
    import datetime

    days, seconds, microseconds = fields
    return datetime.timedelta(days, seconds, microseconds)


def _fixed_offset(zone: tzinfo) -> tuple[int, str | None] | None:
    """Offset and name of a `datetime.timezone`; no name where it is the one that the offset gives."""
    import datetime

    if type(zone) is not datetime.timezone:
        return None
    offset = zone.utcoffset(None)
    name = zone.tzname(None)
    return _microseconds(offset), None if name == datetime.timezone(offset).tzname(None) else name


def _timezone(offset: int | None, name: str | None) -> timezone | None:
    import datetime

    if offset is None:
        return None
    if offset == 0 and name in (None, "UTC"):
        return datetime.timezone.utc
    delta = datetime.timedelta(microseconds=offset)
    return datetime.timezone(delta) if name is None else datetime.timezone(delta, name)


def _microseconds(delta: timedelta) -> int:
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds
