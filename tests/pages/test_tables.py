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
        ([1.23e-5, 0.5, 20.0], ["1.23e-05", "0.5", "20"]),
        ([2392.0, 412.3, math.inf], ["2392", "412", "inf"]),
        ([0.0, 0.0], ["0", "0"]),
    ],
)
def test_a_column_has_one_number_of_decimals(values, shown):
    form = number_format(pd.Series(values))
    assert [form % value for value in values] == shown
