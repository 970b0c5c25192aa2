"""Counts, durations and times for people; activations and errors go through `figures.theme.three_digits`."""

import re

NO_BREAK = "\u00a0"


def count(value: int) -> str:
    """A whole number with commas between thousands."""
    return f"{int(value):,}"


def duration(seconds: float) -> str:
    """ "8 s", "3 min 20 s", "1 h 05 min"."""
    seconds = max(0, round(seconds))
    if seconds < 60:
        return f"{seconds} s"
    minutes, rest = divmod(seconds, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def when(iso: str | None) -> str:
    """An ISO time to the minute, in UTC as stored: "2026-11-21 09:30 UTC"."""
    return f"{iso[:10]} {iso[11:16]} UTC" if iso else "unknown"


def joined(text: str) -> str:
    """`text` whose numbers never part from their units at the end of a line."""
    return re.sub(r"(?<=\d) (?=dB|%|nats|points)", NO_BREAK, text)
