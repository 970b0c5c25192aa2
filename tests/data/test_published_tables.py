"""The transcribed numbers: cells pinned by hand, counts of rows, and that every remark is about cells that there are."""

from decimal import Decimal

import pytest

from morphoquant.data.published.tables import PublishedTable, claims, published_tables, read_on, sources, tags

ROWS_AND_CELLS = {
    "morphoquant-v2-table-1": (23, 83),
    "morphoquant-v2-table-2": (3, 8),
    "morphoquant-v2-table-3": (3, 2),
    "morphoquant-v1-main": (6, 24),
    "morphoquant-v1-ablation": (3, 6),
    "masquant-table-2": (34, 136),
    "masquant-table-1": (32, 192),
    "masquant-table-3": (8, 16),
    "masquant-table-5": (4, 4),
    "masquant-table-7": (5, 5),
    "masquant-minicpm": (17, 17),
    "mquant-ablation": (4, 16),
    "mquant-latency": (4, 8),
    "mquant-internvl2": (2, 2),
    "mbq-table-2": (3, 3),
    "mbq-table-4": (8, 16),
    "mbq-table-11": (5, 5),
    "mbq-internvl2": (2, 2),
}
# table, model, bits, printed row: its cells, in the order of the columns.
PINNED = [
    ("morphoquant-v2-table-1", "Qwen2.5-Omni-3B", "W4A16", "QLoRA", "75.88 43.56 54.78 64.12 5.54"),
    ("morphoquant-v2-table-1", "Qwen2.5-Omni-3B", "W4A16", "SmoothQuant", "49.68 24.41 0.00 49.99 -"),
    ("morphoquant-v2-table-1", "Qwen2.5-Omni-3B", "W8A8", "Ours+HiF8", "79.32 43.22 56.93 65.42 -"),
    ("morphoquant-v2-table-1", "Qwen2.5-Omni-3B", "W4A4", "Ours", "72.93 42.44 50.11 62.33 -"),
    ("morphoquant-v2-table-1", "Qwen2.5-Omni-7B", "W4A4", "MBQ", "12.26 0 9.63 0 -"),
    ("morphoquant-v2-table-1", "InternVL2.5-8B", "W4A4", "FreeAct", "18.49 42.44 - - -"),
    ("morphoquant-v2-table-2", "", "", "Triton", "7.82 1.97 8.68 1.13"),
    ("morphoquant-v2-table-2", "", "", "pseudo", "17.90 - 18.28 -"),
    ("morphoquant-v2-table-3", "Qwen2.5-Omni-3B", "W4A4", "full", "72.93 42.44"),
    ("morphoquant-v2-table-3", "Qwen2.5-Omni-3B", "W4A4", "+DABC", "- -"),
    ("morphoquant-v1-main", "Qwen2.5-Omni-3B", "W4A4", "PoMQ-ViT", "75.36 42.11 49.22 64.17"),
    ("morphoquant-v1-main", "Qwen2.5-Omni-3B", "W4A4", "MorphoQuant", "76.63 45.11 54.33 65.09"),
    ("morphoquant-v1-ablation", "Qwen2.5-Omni-3B", "W4A4", "+DABC+search", "75.81 44.22"),
    ("masquant-table-2", "Qwen2.5-Omni-3B", "FP16", "dense", "3.9 7.5 43.3 43.8"),
    ("masquant-table-2", "Qwen2.5-Omni-3B", "W4A8", "RTN", "109.7 105.6 28.9 29.7"),
    ("masquant-table-2", "Qwen2.5-Omni-7B", "W8A8", "SQ", "8.2 7.3 48.8 47.6"),
    ("masquant-table-2", "Qwen2.5-Omni-7B", "W4A6", "MASQuant", "4.7 8.7 36.8 42.2"),
    ("masquant-table-1", "Qwen2.5-VL-3B", "W4A8", "RTN", "25.6 0 0 0 0 5.1"),
    ("masquant-table-1", "Qwen2.5-VL-3B", "W4A8", "MASQuant", "46.7 67.2 62.7 77.9 69.2 64.7"),
    ("masquant-table-1", "Qwen2.5-VL-7B", "FP16", "dense", "46.7 83.8 70.8 88.4 82.9 74.5"),
    ("masquant-table-1", "Qwen2.5-VL-7B", "W4A6", "MBQ", "30.0 71.7 59.8 80.1 72.9 62.9"),
    ("masquant-table-3", "Qwen2.5-Omni-3B", "W4A8", "MAS, optimised", "3.6 47.7 - -"),
    ("masquant-table-3", "Qwen2.5-VL-3B", "W4A8", "uniform, no optimisation", "- - 51.3 25.6"),
    ("masquant-table-5", "Qwen2.5-VL-3B", "", "10 epochs", "17.0"),
    ("masquant-table-7", "Qwen2.5-VL-7B", "W4A4", "MAS, rank 0.05", "77.1"),
    ("masquant-minicpm", "MiniCPM-Llama3-V-2.5", "W8A8", "SQ", "65.9"),
    ("masquant-minicpm", "MiniCPM-Llama3-V-2.5", "W4A6", "MASQuant", "62.2"),
    ("mquant-ablation", "Qwen2-VL-7B", "W4A8", "GPTQ+Hadamard static", "71.44 83.96 670 1911"),
    ("mquant-ablation", "Qwen2-VL-7B", "W4A8", "+RMS", "84.32 93.58 824 2255"),
    ("mquant-latency", "Qwen2-VL-7B", "W4A8", "one static scale", "1.016 40.20"),
    ("mquant-internvl2", "InternVL2-8B", "W4A8", "after", "725"),
    ("mbq-table-2", "LLaVA-OneVision-7B", "W3A16", "GPTQ", "64.1"),
    ("mbq-table-4", "LLaVA-OneVision-7B", "W4A8", "SQ-COCO", "29.2 10.2"),
    ("mbq-table-4", "LLaVA-OneVision-7B", "W3A16", "MBQ-MAE", "42.0 66.4"),
    ("mbq-table-11", "LLaVA-OneVision-7B", "W8A8", "RTN", "68.6"),
    ("mbq-internvl2", "InternVL2-26B", "W4A8", "RTN", "72.7"),
]


def cells(table: PublishedTable) -> list[dict[str, str]]:
    return [
        dict(model=row.model, bits=row.bits, printed=row.printed, benchmark=column.name, value=value)
        for row in table.rows
        for column, value in zip(table.columns, row.values, strict=True)
        if value
    ]


@pytest.mark.parametrize("name", ROWS_AND_CELLS)
def test_every_row_and_cell_is_there(name):
    table = published_tables()[name]
    assert (len(table.rows), len(cells(table))) == ROWS_AND_CELLS[name]
    lines = [(row.model, row.bits, row.printed) for row in table.rows]
    assert len(set(lines)) == len(lines)


def test_no_table_is_unknown_here():
    assert list(published_tables()) == list(ROWS_AND_CELLS)


@pytest.mark.parametrize(("name", "model", "bits", "printed", "values"), PINNED)
def test_a_row_says_what_the_paper_prints(name, model, bits, printed, values):
    rows = [row for row in published_tables()[name].rows if (row.model, row.bits, row.printed) == (model, bits, printed)]
    assert [" ".join(value or "-" for value in row.values) for row in rows] == [values]


@pytest.mark.parametrize("name", ROWS_AND_CELLS)
def test_every_remark_is_about_cells_that_there_are(name):
    table = published_tables()[name]
    for note in table.notes:
        assert note.tag in tags() and note.text.endswith(".")
        for cell in note.cells:
            assert any(all(found[key] == value for key, value in cell.items()) for found in cells(table)), (note.text, cell)


def test_every_tag_and_source_is_explained():
    tables = published_tables().values()
    assert {table.tag for table in tables} <= set(tags())
    assert all(source.where and source.title and source.how for source in sources().values())
    assert all(one.tag in tags() and any(letter.isdigit() for letter in one.printed) for one in claims())
    assert read_on() == "2026-11-21"


def share(value: str, items: int) -> bool:
    """Whether `value` percent is a whole number of `items`, to the digits that are printed."""
    digits = Decimal(value)
    whole = (digits * items / 100).to_integral_value()
    return round(100 * whole / items, -digits.as_tuple().exponent) == digits


@pytest.mark.parametrize(
    ("name", "benchmark", "items", "whole", "said"),
    [
        ("morphoquant-v2-table-1", "MMMU", 900, 19, "19 of the 23"),
        ("masquant-table-2", "OmniBench", 128, 26, "26 are"),
        ("masquant-table-2", "MMMU", 90, 23, "23 are"),
        ("masquant-table-1", "MMMU", 90, 21, "21 are"),
    ],
)
def test_the_remarks_on_whole_numbers_of_items_are_right(name, benchmark, items, whole, said):
    table = published_tables()[name]
    found = [cell for cell in cells(table) if cell["benchmark"] == benchmark]
    assert sum(share(cell["value"], items) for cell in found) == whole
    note = next(note for note in table.notes if said in note.text and benchmark in note.text)
    assert note.tag == "N"
    if note.cells:
        assert [cell for cell in found if note.concerns(cell)] == [cell for cell in found if not share(cell["value"], items)]


def test_one_average_alone_is_not_that_of_its_row():
    table = published_tables()["masquant-table-1"]
    off = [row for row in table.rows if abs(sum(map(Decimal, row.values[:5])) / 5 - Decimal(row.values[5])) > Decimal("0.05")]
    assert [(row.model, row.bits, row.printed) for row in off] == [("Qwen2.5-VL-3B", "W4A8", "SQ")]


@pytest.mark.parametrize("name", ["masquant-table-2", "masquant-table-1"])
def test_the_cells_above_full_precision_are_those_of_the_remark(name):
    table = published_tables()[name]
    note = next(note for note in table.notes if "above full precision" in note.text)
    full = {(c["model"], c["benchmark"]): Decimal(c["value"]) for c in cells(table) if c["bits"] == "FP16"}
    wanted = {cell["benchmark"] for cell in note.cells}
    above = [c for c in cells(table) if c["benchmark"] in wanted and Decimal(c["value"]) > full[c["model"], c["benchmark"]]]
    assert [c for c in cells(table) if note.concerns(c)] == above
