"""Words that the sentences share."""

import pandas as pd

from morphoquant.figures.theme import three_digits


def place(row: pd.Series) -> str:
    """A layer as people say it: "L25 self_attn.o_proj (language)"."""
    label, component = str(row["label"]), str(row["component"])
    return f"{label.removeprefix(component).strip()} ({component})"


def decibels(value: float) -> str:
    """ "7.96 dB"."""
    return f"{three_digits(value)} dB"


def percent(share: float) -> str:
    """A share of one in whole percent; never a rounded 0 or 100 %."""
    whole = round(100 * share)
    if whole == 0 and share > 0:
        return "less than 1 %"
    if whole == 100 and share < 1:
        return "more than 99 %"
    return f"{whole} %"


def further(count: int, one: str, many: str) -> str:
    """ " 3 further inputs are so." or nothing."""
    return f" {count:,} further {one if count == 1 else many}." if count else ""
