"""The benchmark of the capture's cost runs at a tiny size; whether the bounds are kept is for a quiet machine to say."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TINY = ["--hidden", "224", "--intermediate", "96", "--tokens", "40", "--rounds", "1", "--threads", "1"]


@pytest.mark.slow
def test_every_way_of_recording_is_printed_beside_the_bare_forward(capsys, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    from capture_cost_7b import main

    assert main(TINY) in (0, 1)
    tables = capsys.readouterr().out.strip().split("\n\n")
    assert [table.split(":")[0] for table in tables] == ["float32", "bfloat16"]
    for table, bound in zip(tables, ("1.05", "1.35"), strict=True):
        lines = {line[:20].strip(): line[20:].split() for line in table.splitlines()}
        restless = lines["bare forward"]
        assert restless[1] == "1.000" and float(restless[2]) <= 1 <= float(restless[3])
        for name in ("reading once", "absmax a channel", "HistogramObserver", "MorphoQuant capture"):
            assert float(lines[name][0]) > 0 and float(lines[name][4]) > 0 and lines[name][6].endswith("x")
        assert f"at most {bound}: " in table
        # The inputs of q, o, gate and down and of the head: four of the hidden size, one of the MLP's.
        assert f"sees {40 * (4 * 224 + 96) / 1e6:.2f} M values a forward" in table


def test_sequences_hold_all_modalities_and_the_real_model_its_own_sections(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import block_7b

    rope = block_7b.text_config(8, 3584, 18944, 1, (28, 4))["rope_parameters"]
    assert rope["mrope_section"] == [16, 24, 24]
    ids = block_7b.batch(1024, 2)["input_ids"]
    assert ids.shape == (2, 512)
    media = (block_7b._IMAGE, block_7b._AUDIO, block_7b._VIDEO)
    assert [(ids == index).sum().item() for index in media] == [2 * 153, 2 * 76, 2 * 102]
