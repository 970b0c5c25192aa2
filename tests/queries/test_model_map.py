import numpy as np
import pytest
from fixtures.wide_model import linears

from morphoquant.core.errors import StoreError, UnknownNameError
from morphoquant.core.modality import Modality
from morphoquant.core.selection import Selection
from morphoquant.queries.depth import depth_profile
from morphoquant.queries.model_map import error_map, outlier_map, placed, sensitivity_map

DOWN = "model.language_model.layers.1.mlp.down_proj"
KEYS = ["layer", "modality"]


def test_every_linear_has_its_part_and_row():
    frame = placed(linears(blocks=3, experts=4)).set_index("layer")
    assert frame.loc["model.layers.2.mlp.experts.3.up_proj", ["part", "row"]].tolist() == [
        "model.layers",
        "mlp.experts.*.up_proj",
    ]
    assert frame.loc["model.visual.blocks.31.attn.qkv", "part"] == "model.visual.blocks"
    assert frame.loc["model.visual.patch_embed.proj", "part"] == "vision after"
    assert frame.loc["model.visual.merger.mlp.2", ["part", "row"]].tolist() == ["model.visual.merger", "mlp.2"]
    assert frame.loc["lm_head", ["part", "row"]].tolist() == ["lm_head", "lm_head"]


def test_a_part_of_many_kinds_is_drawn_by_last_names():
    frame = linears(blocks=1)
    odd = (
        frame[frame["component"] == "language"]
        .iloc[[0] * 30]
        .assign(layer=[f"model.layers.0.part{n}.q_proj" for n in range(30)], role="q_proj")
    )
    assert placed(odd)["row"].unique().tolist() == ["q_proj"]


def test_an_input_gives_its_number_to_every_linear_that_shares_it(small_runs):
    frame = outlier_map(small_runs.capture, Selection(), "absmax")
    assert len(frame["layer"].unique()) == len(small_runs.capture.frame("layers"))
    profile = depth_profile(small_runs.capture, Selection(), "absmax").set_index(KEYS)["value"]
    shared = frame[frame["layer"].str.endswith("1.self_attn.k_proj")]
    group = "model.language_model.layers.1.self_attn.q_proj"
    assert shared.set_index("modality")["value"].to_dict() == profile[group].to_dict()
    assert (shared["shown"] == profile[group].max()).all()


def test_tokens_add_up_over_modalities_and_none_is_not_measured(small_runs):
    frame = outlier_map(small_runs.capture, Selection(modalities=(Modality.TEXT, Modality.AUDIO)), "tokens")
    tower, decoder = (frame[frame["component"] == name] for name in ("vision", "language"))
    assert tower[["modality", "value", "shown"]].isna().all(axis=None) and len(tower) == tower["layer"].nunique()
    assert decoder["shown"].unique().tolist() == [146 + 90]  # 4 of 150 text tokens stand first
    with pytest.raises(UnknownNameError, match="unknown measure 'absmx'"):
        outlier_map(small_runs.capture, Selection(), "absmx")


def test_pooled_errors_are_of_powers_and_the_worst_is_the_lowest(small_runs):
    table = small_runs.rtn4.frame("errors", where={"layer": DOWN, "tap": "output", "source": "both", "position": "rest"})
    single = 10 * np.log10(table["signal_sq"] / table["error_sq"])
    worst = error_map(small_runs.rtn4, Selection(), "worst_sqnr_db").set_index("layer")["shown"]
    pooled = error_map(small_runs.rtn4, Selection(), "pooled_sqnr_db").set_index("layer")["shown"]
    assert worst[DOWN].iat[0] == pytest.approx(single.min())
    assert pooled[DOWN].iat[0] == pytest.approx(10 * np.log10(table["signal_sq"].sum() / table["error_sq"].sum()))
    with pytest.raises(UnknownNameError, match="worst_sqnr_db"):
        error_map(small_runs.rtn4, Selection(), "mse")


def test_sensitivity_is_drawn_with_the_subjects(answer_runs):
    run = answer_runs.sensitivity
    frame = sensitivity_map(answer_runs.store, run, Selection())
    raw = run.frame("sensitivity").dropna(subset="group")
    first = raw["group"].iat[0]
    own = raw[raw["group"] == first]
    assert frame.loc[frame["layer"] == first, "shown"].iat[0] == pytest.approx(own["kl"].sum() / own["items"].sum())
    assert set(frame.loc[frame["layer"] == first, "subject"]) == set(own["subject"])
    with pytest.raises(StoreError, match="no item of"):
        sensitivity_map(answer_runs.store, run, Selection(subjects=("nothing",)))
