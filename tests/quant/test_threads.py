"""The number of threads is put back."""

import pytest
import torch

from morphoquant.quant.threads import one_thread


def test_threads_come_back_also_after_an_error():
    before = torch.get_num_threads()
    with pytest.raises(RuntimeError, match="boom"), one_thread():
        assert torch.get_num_threads() == 1
        raise RuntimeError("boom")
    assert torch.get_num_threads() == before
