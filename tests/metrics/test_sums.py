"""The accumulators of the errors and grid_use tables."""

import pytest
import torch

from morphoquant.core.modality import PADDING, Modality, Position, slot
from morphoquant.metrics.cosine import cosines_of
from morphoquant.metrics.error_sums import ErrorSums
from morphoquant.metrics.grid_use import GridUse
from morphoquant.quant.grid import symmetric_grid
from morphoquant.store.schema import ERRORS, GRID_USE

TEXT, IMAGE = (slot(modality, Position.REST) for modality in (Modality.TEXT, Modality.IMAGE))
KEYS = {"layer", "group", "modality", "position", "tap", "source"}


def rows(count=60, width=7):
    x = torch.randn(count, width, generator=torch.Generator().manual_seed(0)) * 3
    grid = symmetric_grid(torch.full((width,), 4.0), 4)
    slots = torch.tensor([TEXT, IMAGE, PADDING]).repeat(count // 3).to(torch.int8)
    return x, grid, slots


def accumulate(kind, x, grid, slots, parts):
    sums = kind()
    bypassed = x.abs() > 6
    y = torch.where(bypassed, x, grid.quantize(x))
    clipped = grid.clipped(x) & ~bypassed
    for part in parts:
        if isinstance(sums, GridUse):
            sums.update(x[part], y[part], slots[part], clipped[part], bypassed[part])
        else:
            outliers = torch.arange(x.shape[1]) < 2
            sums.update(x[part], y[part], slots[part], clipped=clipped[part], bypassed=bypassed[part], outliers=outliers)
    return sums, y, clipped, bypassed


def test_error_sums_are_the_columns_of_the_errors_table():
    x, grid, slots = rows()
    sums, y, clipped, bypassed = accumulate(lambda: ErrorSums(7, "input"), x, grid, slots, [slice(None)])
    assert set(sums.rows()) == {TEXT, IMAGE}
    for label, row in sums.rows().items():
        assert set(row) == set(ERRORS.names) - KEYS
        keep = slots == label
        here, there = x[keep].double(), y[keep].double()
        error = (there - here) ** 2
        assert (row["tokens"], row["width"]) == (20, 7)
        cosines = torch.cosine_similarity(here, there)
        assert (row["signal_sq"], row["error_sq"]) == pytest.approx((float(here.square().sum()), float(error.sum())))
        assert (row["cosine_sum"], row["cosine_min"]) == pytest.approx((float(cosines.sum()), float(cosines.min())))
        assert row["clip_sq"] == pytest.approx(float((error * clipped[keep]).sum()))
        assert row["clip_sq"] > 0
        assert row["clip_sq"] + row["round_sq"] == pytest.approx(row["error_sq"])
        assert row["outlier_signal_sq"] == pytest.approx(float(here[:, :2].square().sum()))
        assert row["outlier_error_sq"] == pytest.approx(float(error[:, :2].sum()))
        assert row["bypassed"] == int(bypassed[keep].sum()) > 0


def test_cosine_of_zero_tokens():
    x = torch.tensor([[0.0, 0.0], [0.0, 0.0], [1.0, 0.0], [1.0, 0.0]]).double()
    y = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 0.0], [-1.0, 0.0]]).double()
    assert cosines_of((x * y).sum(1), x.square().sum(1), y.square().sum(1)).tolist() == [1.0, 0.0, 0.0, -1.0]


def test_output_errors_have_no_input_columns():
    sums = ErrorSums(2, "output")
    sums.update(torch.ones(3, 2), torch.zeros(3, 2), torch.full((3,), TEXT))
    (row,) = sums.rows().values()
    assert (row["signal_sq"], row["error_sq"], row["cosine_sum"], row["tokens"]) == (6.0, 6.0, 0.0, 3)
    assert [row[name] for name in ("clip_sq", "round_sq", "outlier_signal_sq", "outlier_error_sq", "bypassed")] == [None] * 5


def test_a_dynamic_quantiser_has_no_clipping_and_no_outliers_but_zeros_not_nulls():
    sums = ErrorSums(2, "input")
    sums.update(torch.ones(3, 2), torch.zeros(3, 2), torch.full((3,), TEXT))
    (row,) = sums.rows().values()
    assert (row["clip_sq"], row["round_sq"], row["bypassed"], row["outlier_error_sq"]) == (0.0, 6.0, 0, 0.0)


def test_grid_use_is_the_columns_of_its_table():
    x, grid, slots = rows()
    sums, y, clipped, bypassed = accumulate(lambda: GridUse(7), x, grid, slots, [slice(None)])
    assert set(sums.rows()) == {TEXT, IMAGE}
    for label, columns in sums.rows().items():
        assert set(columns) == set(GRID_USE.names) - KEYS
        keep = slots == label
        error = ((y - x)[keep].double()) ** 2
        assert columns["count"].tolist() == [20] * 7
        assert columns["clipped"].tolist() == clipped[keep].sum(0).tolist()
        assert columns["bypassed"].tolist() == bypassed[keep].sum(0).tolist()
        assert columns["signal_sq"] == pytest.approx(x[keep].double().square().sum(0).numpy())
        assert columns["clip_sq"] == pytest.approx((error * clipped[keep]).sum(0).numpy())
        assert columns["clip_sq"] + columns["round_sq"] == pytest.approx(error.sum(0).numpy())


@pytest.mark.parametrize("kind", [lambda: ErrorSums(7, "input"), lambda: GridUse(7)], ids=["errors", "grid use"])
def test_halves_merged_and_batches_equal_the_whole(kind):
    x, grid, slots = rows()
    whole, *_ = accumulate(kind, x, grid, slots, [slice(None)])
    batched, *_ = accumulate(kind, x, grid, slots, [slice(0, 1), slice(1, 30), slice(30, 60)])
    half, *_ = accumulate(kind, x, grid, slots, [slice(0, 31)])
    other, *_ = accumulate(kind, x, grid, slots, [slice(31, 60)])
    half.merge(other)
    empty = kind()
    empty.merge(whole)
    for candidate in (batched, half, empty):
        assert candidate.rows().keys() == whole.rows().keys()
        for label, row in whole.rows().items():
            for name, value in row.items():
                assert candidate.rows()[label][name] == pytest.approx(value), name


def test_sums_of_other_inputs_do_not_merge():
    with pytest.raises(ValueError):
        ErrorSums(7, "input").merge(ErrorSums(7, "output"))
    with pytest.raises(ValueError):
        GridUse(7).merge(GridUse(8))


def test_only_padding_counts_nowhere():
    x = torch.ones(4, 3)
    padding = torch.full((4,), PADDING)
    errors, use = ErrorSums(3, "input"), GridUse(3)
    errors.update(x, x * 2, padding)
    use.update(x, x * 2, padding, torch.zeros(4, 3, dtype=torch.bool))
    assert errors.rows() == use.rows() == {}


def test_bf16_stats_accumulate_in_fp32():
    """Squares of 1.0078125 round down in bfloat16, and a bfloat16 sum of ones stalls at 256."""
    x = torch.full((5000, 3), 1.0078125, dtype=torch.bfloat16)
    slots = torch.full((5000,), TEXT)
    errors, use = ErrorSums(3, "input"), GridUse(3)
    errors.update(x, torch.zeros_like(x), slots)
    use.update(x, torch.zeros_like(x), slots, torch.zeros(5000, 3, dtype=torch.bool))
    assert errors.rows()[TEXT]["error_sq"] == pytest.approx(15000 * 1.0078125**2, rel=1e-7)
    assert use.rows()[TEXT]["round_sq"] == pytest.approx([5000 * 1.0078125**2] * 3, rel=1e-7)
