"""Every view on captures of odd values: it draws finite numbers, or says in a sentence why it cannot."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from fixtures.odd_runs import CONSTANT, DENORMAL, INFINITE, NAN, UP, ZERO
from views.test_views import CASES, ask

from morphoquant.core.errors import MorphoQuantError
from morphoquant.core.modality import POSITIONS, Modality
from morphoquant.core.selection import Selection
from morphoquant.queries.channel_map import channel_map
from morphoquant.queries.depth import depth_profile
from morphoquant.queries.masks import outlier_masks
from morphoquant.views.base import VIEWS

RUNS = ("capture", "quantize", "many")
OF_LAYERS = [(name, measure) for name, measure in CASES if VIEWS[name].runs in RUNS]
# So small a model may have no outlier channel that several modalities or layers share.
OF_OUTLIERS = ("lasting_channels", "mask_sets")
ONE_TOKEN = Selection(layer=UP, modalities=(Modality.IMAGE,))
SELECTIONS = {
    "whole": Selection(positions=POSITIONS),
    "one token": ONE_TOKEN,
    **{
        f"channel {channel}": Selection(layer=UP, channel=channel, modalities=modalities)
        for channel in (CONSTANT, ZERO, DENORMAL, NAN, INFINITE)
        for modalities in ((), (Modality.IMAGE,), (Modality.AUDIO,))
    },
}


@pytest.fixture(scope="module", params=["odd", pytest.param("finite", marks=pytest.mark.slow)])
def runs(request, odd_runs):
    """What `ask` puts to views, of a capture with NaN and infinite values or of one without."""
    capture = getattr(odd_runs, request.param)
    made, failures = odd_runs.quantised(capture, "rtn@w4a4", "rtn:grid=range@w4a4", "rtn@w8a8")
    assert not failures
    rtn4, searched, rtn8 = made.values()
    return SimpleNamespace(store=odd_runs.store, capture=capture, rtn4=rtn4, searched=searched, quantized=[rtn4, rtn8, searched])


def answers(runs, name: str, selection: Selection) -> bool:
    """Whether the view drew; asserts that what it drew are numbers, and what it said otherwise is a sentence."""
    try:
        frame, figure = ask(runs, name, selection)
    except MorphoQuantError as error:
        assert "\n" not in str(error) and str(error).endswith("."), name
        return False
    assert len(frame), name
    drawn = json.loads(figure.to_json(), parse_constant=lambda word: pytest.fail(f"{name} draws {word}"))
    assert drawn["data"], name
    values = frame["value"].to_numpy(float) if "value" in frame else np.zeros(1)
    assert not np.isnan(values).all(), name
    return True


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("name", sorted({name for name, _ in OF_LAYERS}))
def test_a_view_answers_of_odd_values_or_says_why_not(runs, name):
    answers(runs, name, ONE_TOKEN)
    assert answers(runs, name, SELECTIONS["whole"]) or name in OF_OUTLIERS


@pytest.mark.slow
@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize(("name", "measure"), OF_LAYERS)
def test_every_measure_and_channel_of_it_too(runs, name, measure):
    for selection in SELECTIONS.values():
        answers(runs, name, replace(selection, measure=measure))


def test_what_is_not_defined_has_no_row(runs):
    everything = Selection(positions=POSITIONS)
    tailed = channel_map(runs.capture, everything, "kurtosis")
    assert not tailed["modality"].eq("image").any(), "of one token no channel has a kurtosis"
    own = tailed[tailed["layer"] == UP]
    assert len(own) and not own["channel"].isin([CONSTANT, ZERO, DENORMAL]).any()
    spread = channel_map(runs.capture, everything, "dispersion")
    alone = spread[spread["modality"] == "image"]
    assert len(alone) and (alone["value"] == 0).all(), "a range of no width is no dispersion"
    masks = outlier_masks(runs.capture, everything)
    assert masks.loc[masks["modality"] == "image", "masked"].tolist() == [0] * (masks["modality"] == "image").sum()
    shares = depth_profile(runs.capture, everything, "masked_share")
    assert (shares.loc[shares["modality"] == "image", "value"] == 0).all()
