import os
import subprocess
import sys

import pytest

from morphoquant.core.errors import StoreError
from morphoquant.store.scratch import scratch

KILLED = (
    "import os, sys; from morphoquant.store.scratch import scratch; held = scratch(sys.argv[1]); held.__enter__(); os._exit(9)"
)


def test_a_scratch_folder_goes_at_the_end_and_those_of_killed_processes_before(tmp_path):
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    (left,) = (path for path in (tmp_path / "scratch").iterdir() if path.is_dir())
    with scratch(tmp_path) as one, scratch(tmp_path) as two:
        assert not left.exists() and one != two and one.is_dir()
        (one / "file").write_text("x")
    assert not one.exists() and not two.exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes anywhere")
def test_a_cache_that_cannot_be_written_is_one_sentence(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match="choose another folder"), scratch(tmp_path):
        pass
