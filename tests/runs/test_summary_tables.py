"""Tables that sum up a table of channels say what it says; runs without them are read all the same."""

import numpy as np
import pandas as pd
import pytest

from morphoquant.core.modality import POSITIONS, Modality
from morphoquant.core.selection import Selection
from morphoquant.queries.depth import DEPTH_MEASURES, depth_profile
from morphoquant.queries.histograms import bin_counts, bin_counts_of, layers_with_histograms
from morphoquant.queries.input_measures import measures_of
from morphoquant.queries.input_use import input_use, use_of
from morphoquant.queries.inputs import layer_inputs
from morphoquant.queries.masks import outlier_masks
from morphoquant.queries.modalities import where
from morphoquant.queries.ridges import range_ridges
from morphoquant.queries.summed_bins import histograms_of
from morphoquant.queries.use import USE_MEASURES, grid_use
from morphoquant.runs.tables import by_group, summed_up
from morphoquant.stats.bins import BIN_COUNT
from morphoquant.store.run_store import RunStore

BESIDE = (
    ("channel_stats", "input_measures", measures_of),
    ("histograms", "input_histograms", histograms_of),
    ("grid_use", "input_use", use_of),
)


@pytest.fixture(scope="module")
def summed(small_runs, tmp_path_factory) -> RunStore:
    """The small capture and a run of it, written as `capture` and `quantize` write theirs."""
    store = RunStore(tmp_path_factory.mktemp("summed"))
    for run in (small_runs.capture, small_runs.searched):
        made = {name: [run.table(name)] for name in run.header.tables}
        for name, summary, sum_up in BESIDE:
            if name in made:
                made = summed_up({**made, name: by_group(run.table(name))}, name, summary, sum_up)
        with store.writer(run.plan) as writer:
            writer.finish(made, {})
    return store


@pytest.mark.parametrize("positions", [(position,) for position in POSITIONS] + [POSITIONS])
def test_measures_of_inputs_are_those_of_the_channels(small_runs, summed, positions):
    whole, capture = Selection(positions=positions), summed.open(small_runs.capture.run_id)
    assert capture.has("input_measures") and not small_runs.capture.has("input_measures")
    for measure in DEPTH_MEASURES:
        found, known = (depth_profile(run, whole, measure) for run in (capture, small_runs.capture))
        pd.testing.assert_frame_equal(found, known, rtol=1e-6)
    pd.testing.assert_frame_equal(outlier_masks(capture, whole), outlier_masks(small_runs.capture, whole))
    pd.testing.assert_frame_equal(layer_inputs(capture), layer_inputs(small_runs.capture))


def test_histograms_of_inputs_are_exactly_those_of_the_channels(small_runs, summed):
    run, capture = small_runs.capture, summed.open(small_runs.capture.run_id)
    assert capture.has("input_histograms") and not run.has("input_histograms")
    kept = layers_with_histograms(capture)
    assert kept == layers_with_histograms(run)
    for selection in (Selection(), Selection(positions=POSITIONS[:1]), Selection(modalities=(Modality.TEXT,))):
        layers = [layer for layer in kept if "language_model" in layer][-2:]
        for layer, found in zip(layers, bin_counts_of(capture, selection, layers), strict=True):
            known = run.table("histograms", where={"group": layer, **where(selection)}).to_pylist()
            for name, row in bin_counts(run, selection, layer).items():
                own = [one for one in known if one["modality"] == name]
                total = np.bincount(sum((one["bins"] for one in own), []), sum((one["counts"] for one in own), []), BIN_COUNT)
                assert np.array_equal(row, total) and np.array_equal(found[name], row)
            assert list(found) == list(dict.fromkeys(one["modality"] for one in known))
    found, known = (range_ridges(one, Selection(layer=layers[-1])) for one in (capture, run))
    pd.testing.assert_frame_equal(found, known, check_exact=True)


def test_the_use_of_grids_is_the_sum_over_the_channels(small_runs, summed):
    run = summed.open(small_runs.searched.run_id)
    table = small_runs.searched.frame("grid_use")
    keys = ["group", "modality", "position"]
    found = input_use(run).rename(columns={"layer": "group"}).set_index(keys)
    for name in ("count", "clipped", "bypassed", "signal_sq", "clip_sq", "round_sq"):
        sums = table.groupby(keys)[name].sum()
        assert found[name].reindex(sums.index).to_list() == pytest.approx(sums.to_list()), name
    error = (table["clip_sq"] + table["round_sq"]).groupby([table[key] for key in keys])
    assert (found["channel_clip_sq"] + found["channel_round_sq"]).to_list() == pytest.approx(
        error.max().reindex(found.index).to_list()
    )
    for measure in USE_MEASURES:
        pd.testing.assert_frame_equal(grid_use(run, Selection(), measure), grid_use(small_runs.searched, Selection(), measure))


def test_a_table_that_is_cut_by_group_has_all_its_rows_and_a_group_in_each_part(small_runs):
    table = small_runs.searched.table("grid_use")
    mixed = table.take(np.random.default_rng(3).permutation(table.num_rows))
    parts = list(by_group(mixed))
    assert all(part["group"].unique().to_pylist() == part["group"].combine_chunks().dictionary.to_pylist() for part in parts)
    keys = ["group", "modality", "position", "channel"]
    joined = pd.concat([part.to_pandas().astype({"group": str, "modality": str, "position": str}) for part in parts])
    known = small_runs.searched.frame("grid_use")
    pd.testing.assert_frame_equal(
        joined.sort_values(keys, ignore_index=True), known.sort_values(keys, ignore_index=True), check_dtype=False
    )
