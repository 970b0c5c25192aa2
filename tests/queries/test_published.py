"""Printed cells as frames: filters, tables as printed, the spread across sources, and our own runs of the same methods."""

import pytest

from morphoquant.core.errors import UnknownNameError
from morphoquant.queries.measured import measured
from morphoquant.queries.published import claimed, published, spread, spread_in_words, table_named, wide
from morphoquant.store.run_store import RunStore


def test_all_cells_are_numbers_with_unit_direction_and_provenance():
    frame = published()
    assert len(frame) == 545
    assert [float(printed) for printed in frame["printed"]] == frame["value"].tolist()
    assert set(frame["better"]) == {"higher", "lower"} and not (frame["unit"] == "").any()
    assert len(published(blanks=True)) > 545


def test_filters_keep_what_they_name():
    frame = published(source="masquant", model="Qwen2.5-Omni-3B", bits=["w4a8", "FP16"], benchmark="LibriSpeech")
    assert set(frame["table"]) == {"masquant-table-2", "masquant-table-3"}
    own = frame[frame["table"] == "masquant-table-2"].set_index("row")["value"]
    assert own.to_dict() == {"dense": 3.9, "RTN": 109.7, "SQ": 77.4, "MBQ": 9.5, "MASQuant": 3.6}
    assert set(frame["better"]) == {"lower"}


@pytest.mark.parametrize(
    ("filters", "sentence"),
    [
        (dict(table="masquant-table-9"), "unknown published table 'masquant-table-9': did you mean 'masquant-table-"),
        (dict(bits="w4a5"), "unknown published bits 'W4A5'"),
        (dict(source="masqant"), "did you mean 'masquant'"),
        (dict(benchmark=["MMMU", "MMLU"]), "unknown published benchmark 'MMLU'"),
        (dict(model="Qwen2.5-Omni-70B"), "did you mean 'Qwen2.5-Omni-7B'"),
    ],
)
def test_an_unknown_filter_is_one_sentence(filters, sentence):
    with pytest.raises(UnknownNameError) as raised:
        published(**filters)
    assert sentence in str(raised.value) and "\n" not in str(raised.value)


def test_a_wide_table_has_every_digit_as_printed():
    table = wide(published(table="morphoquant-v2-table-1", blanks=True))
    assert len(table) == 23
    assert list(table.columns[3:5]) == ["ScienceQA (%)", "MMMU (%)"]
    assert table.columns[-2] == "Memory (GB, lower is better)"
    row = table.iloc[1].to_dict()
    assert (row["printed as"], row["Video-MME (%)"], row["Memory (GB, lower is better)"]) == ("SmoothQuant", "0.00", "")


def test_a_wide_table_keeps_rows_that_a_paper_leaves_empty():
    table = wide(published(table="morphoquant-v2-table-3", blanks=True))
    assert table["MMMU (%)"].tolist() == ["", "", "42.44"]


def test_tables_of_several_sources_are_told_apart():
    table = wide(published(benchmark="OCRBench"))
    assert list(table.columns[:2]) == ["table", "model"]
    assert {"OCRBench (%)", "OCRBench (points)"} < set(table.columns)


def test_an_oddity_stands_at_its_own_cells_alone():
    frame = published(table="masquant-table-1")
    odd = frame[frame["oddity"].str.contains("average to 57.2")]
    assert odd[["model", "bits", "row", "benchmark"]].values.tolist() == [["Qwen2.5-VL-3B", "W4A8", "SQ", "Average"]]


def test_the_spread_is_between_sources_and_the_widest_comes_first():
    frame = spread()
    assert (frame["sources"] > 1).all() and frame["spread"].is_monotonic_decreasing
    first = frame.iloc[0]
    assert (first["method"], first["benchmark"], first["lowest"], first["highest"]) == ("MorphoQuant", "Video-MME", 50.11, 54.33)
    mbq = frame[(frame["method"] == "MBQ") & (frame["bits"] == "W8A8")].iloc[0]
    assert mbq["reports"] == "MorphoQuant v2: 44.56; MASQuant: 41.8"
    assert mbq["spread"] == pytest.approx(2.76)


def test_a_row_of_two_methods_counts_for_both():
    found = spread("morphoquant-v2-table-1")
    shared = found[(found["bits"] == "W4A16") & (found["benchmark"] == "MMMU") & (found["model"] == "Qwen2.5-Omni-3B")]
    assert shared.set_index("method")["spread"].round(2).to_dict() == {"MBQ": 2.2, "QLoRA": 0.0, "AWQ": 0.0}


def test_a_table_that_no_other_source_repeats_has_no_spread():
    assert spread("mbq-table-4").empty
    assert list(spread_in_words(spread("mbq-table-4")).columns) == ["model", "bits", "method", "benchmark", "reports", "spread"]


def test_the_first_table_is_the_default():
    assert table_named(None).name == "morphoquant-v2-table-1"
    with pytest.raises(UnknownNameError, match="unknown published table"):
        table_named("table-1")


def test_claims_keep_the_words_of_their_bounds():
    assert claimed().set_index("claim").loc["less latency", ["source", "printed", "unit"]].tolist() == ["MQuant", "up to 30", "%"]


def test_an_empty_cache_has_nothing_measured(tmp_path):
    assert measured(RunStore(tmp_path).entries(), published()) == measured([], published())
    assert not measured([], published()).quantize


def test_measured_runs_have_a_method_and_bits_of_the_table(answer_runs):
    entries = answer_runs.store.entries()
    v2 = measured(entries, published(table="morphoquant-v2-table-1"))
    wanted = {answer_runs.quantised["morphoquant", bits].run_id for bits in ("w8a8", "w4a4")}
    assert set(v2.evaluate) == wanted and not v2.quantize
    masquant = measured(entries, published(table="masquant-table-2"))
    own = {answer_runs.quantised["rtn", bits].run_id for bits in ("w8a8", "w4a8")}
    assert set(masquant.evaluate) == {answer_runs.full.run_id, *own}
    assert masquant.evaluate[0] == answer_runs.full.run_id
    assert not measured(entries, published(table="mquant-ablation")).evaluate


def test_measured_errors_are_of_one_capture(small_runs):
    found = measured(small_runs.store.entries(), published(table="morphoquant-v1-main"))
    runs = [small_runs.store.open(run_id) for run_id in found.quantize]
    assert runs and len({run.plan.capture for run in runs}) == 1
    assert {(run.plan.method, run.plan.spec[:4]) for run in runs} <= {("rtn", "w4a4"), ("morphoquant", "w4a4")}
