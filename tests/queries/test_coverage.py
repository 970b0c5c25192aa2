import pandas as pd
import pyarrow as pa
from fixtures.small_runs import CAPTURE
from fixtures.wide_model import linears

from morphoquant.core.modality import CONTENT
from morphoquant.queries.coverage import coverage
from morphoquant.queries.experts import silent_experts
from morphoquant.queries.inputs import layer_inputs
from morphoquant.store.run_store import RunStore
from morphoquant.store.schema import LAYERS
from morphoquant.ui.coverage import badge, expert_lines


def test_every_modality_of_the_decoder_and_those_of_a_tower(small_runs):
    found = coverage(small_runs.capture).set_index(["component", "modality"])
    assert found.loc["language"].index.tolist() == list(map(str, CONTENT))
    assert found.loc["vision"].index.tolist() == ["image", "video"]
    assert found.loc[("language", "text")].tolist() == [6, 6, 150, 150]
    assert found.loc[("vision", "image"), "inputs"] == 4


def test_what_no_token_reached_is_red(small_runs):
    inputs = layer_inputs(small_runs.capture)
    inputs = inputs[inputs["modality"] != "audio"]
    inputs = inputs[(inputs["modality"] != "video") | (inputs["block"] != 1)]
    rows = {(row.component, row.modality): row for row in coverage(small_runs.capture, inputs).itertuples()}
    assert badge(rows["language", "audio"]) == ":red-badge[audio: no token]"
    assert rows["language", "video"].least == 0
    assert "none in 2 of 6 inputs" in badge(rows["language", "video"])
    assert "red" not in badge(rows["language", "text"]) and "150" in badge(rows["language", "text"])


def test_a_modality_is_meant_for_the_connectors_that_it_enters():
    names = ["image_projector.linear_1", "image_projector.linear_2", "audio_projector.linear_1"]
    frame = pd.DataFrame({"layer": names, "group": names, "component": "connector"})
    told = type("Told", (), {"frame": lambda self, name: frame})()
    seen = pd.DataFrame({"component": "connector", "layer": names[:1] + names[2:], "modality": ["image", "audio"], "tokens": 5})
    rows = {row.modality: row for row in coverage(told, seen).itertuples()}
    assert (rows["image"].inputs, rows["image"].reached, rows["image"].least) == (2, 1, 0)
    assert (rows["audio"].inputs, rows["audio"].reached, rows["audio"].least) == (1, 1, 5)


def test_an_expert_that_did_not_run_is_told_by_its_siblings(tmp_path):
    frame = linears(blocks=2, experts=4)
    frame = frame[~frame["layer"].str.contains(r"layers\.1\.mlp\.experts\.(?:0|2)\.")]
    frame = frame[LAYERS.names].assign(block=frame["block"].astype("float"))
    with RunStore(tmp_path).writer(CAPTURE) as writer:
        rows = pa.Table.from_pandas(pd.DataFrame(frame), preserve_index=False).cast(LAYERS)
        writer.finish({"layers": [rows]}, {})
    run = RunStore(tmp_path).open(CAPTURE.run_id)
    silent = silent_experts(run, frame)
    assert silent["silent"].tolist() == ["", "0 2"] and silent["numbered"].tolist() == [4, 4]
    lines = expert_lines(silent)
    assert ":red-badge[2 of 8 saw no token]" in lines[0] and "0, 2" in lines[1] and len(lines) == 2
    assert expert_lines(silent.head(0)) == []
    assert "all 4 saw tokens" in expert_lines(silent.head(1))[0]
    # Listed, as fused experts are, and without a token.
    unseen = frame[~frame["layer"].str.contains(r"layers\.0\.mlp\.experts\.3\.")]
    assert silent_experts(run, unseen)["silent"].tolist() == ["3", "0 2"]
