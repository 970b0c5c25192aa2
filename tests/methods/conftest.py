"""Fixtures of the methods' tests."""

import pytest
from made_groups import draw, group

from morphoquant.methods.base import GroupInputs


@pytest.fixture(scope="session")
def inputs() -> GroupInputs:
    return group(draw())


@pytest.fixture(scope="session")
def down() -> GroupInputs:
    return group(draw(seed=1), role="down_proj")
