"""Numbers of a table's column stand under each other, and none is rounded to nothing."""

import math

import pandas as pd
import pytest

from morphoquant.ui.tables import number_format


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([19.1, 19.0, 6.87, math.nan], ["19.1", "19.0", "6.9", "nan"]),
        ([0.0516, -0.0212, 0.0], ["0.0516", "-0.0212", "0.0000"]),
        ([8.0, 8.87, 0.04], ["8.00", "8.87", "0.04"]),
        ([1.23e-5, 0.5, 20.0], ["1.23e-05", "5.00e-01", "2.00e+01"]),
        ([2392.0, 412.3, math.inf], ["2392", "412", "inf"]),
        ([0.0, 0.0], ["0", "0"]),
    ],
)
def test_a_column_has_one_number_of_decimals(values, shown):
    form = number_format(pd.Series(values))
    assert [form % value for value in values] == shown


def test_decibels_near_zero_take_no_decimals_from_the_others():
    form = number_format(pd.Series([8.0, 8.87, 0.0004]), decibels=True)
    assert [form % value for value in (8.0, 8.87, 0.0004)] == ["8.00", "8.87", "0.00"]
