"""What the tests of the hand-over share."""

import pytest
from handover.ground import Ground, make_ground


@pytest.fixture(scope="session")
def ground(tmp_path_factory) -> Ground:
    """Items on disk, a capture, and tasks for lmms-eval."""
    return make_ground(tmp_path_factory.mktemp("handover"))
