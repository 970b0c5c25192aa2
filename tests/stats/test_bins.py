import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from morphoquant.stats.bins import BIN_COUNT, TOP, bin_edges, bin_of


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_every_value_lies_between_the_edges_of_its_bin(value):
    low, high = bin_edges()[bin_of(np.float32([value]))[0]]
    if abs(value) >= TOP:
        assert max(abs(low), abs(high)) == TOP
    elif np.signbit(np.float32(value)):
        assert low < value <= high
    else:
        assert low <= value < high


def test_edges_join_without_a_gap_and_mirror():
    edges = bin_edges()
    assert edges.shape == (BIN_COUNT, 2)
    assert np.all(edges[:, 0] < edges[:, 1])
    assert np.array_equal(edges[1:512, 0], edges[:511, 1])
    assert np.array_equal(edges[512:], -edges[:512, ::-1])
    assert edges[1, 0] == 2.0**-16 and edges[511].tolist() == [1.875 * 2**15, 2.0**16]


def test_each_bin_start_falls_into_its_bin():
    edges = bin_edges()
    assert np.array_equal(bin_of(edges[:512, 0].astype(np.float32)), np.arange(512))
    assert np.array_equal(bin_of(edges[513:, 1].astype(np.float32)), np.arange(513, 1024))
    assert bin_of(np.float32([np.inf, -np.inf, 0.0, -0.0])).tolist() == [511, 1023, 0, 512]
