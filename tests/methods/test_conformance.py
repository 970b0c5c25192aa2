"""What holds for every registered method, before its author writes a test."""

import json
from dataclasses import FrozenInstanceError, fields, is_dataclass, replace

import numpy as np
import pytest
import torch
from made_groups import draw, group
from torch import nn

from morphoquant.core.errors import SpecError
from morphoquant.core.modality import Modality
from morphoquant.core.spec import QuantSpec
from morphoquant.methods.base import ChannelSummary, GroupFit, Need
from morphoquant.methods.catalog import METHODS
from morphoquant.methods.options import describe_method, make_method, parse_method
from morphoquant.quant.formats import FormatQuantizer
from morphoquant.quant.linear import quantized
from morphoquant.quant.transform import Identity
from morphoquant.store.schema import GRIDS

VARIANTS = {
    "rtn": ["rtn", "rtn:grid=asymmetric", "rtn:grid=range,clip=0.8"],
    "dabc": ["dabc", "dabc:variant=paper", "dabc:max_bypass_density=0.01"],
    "mdqfo": ["mdqfo", "mdqfo:variant=paper", "mdqfo:cos=channel"],
    "atom": ["atom", "atom:outliers=0,clip=1", "atom:share=0.5,group=12"],
    "awq": ["awq", "awq:clip=false"],
    "easyquant": ["easyquant", "easyquant:rounds=1,ratios=1"],
    "gptq": ["gptq", "gptq:act_order=true"],
    "llm_int8": ["llm_int8", "llm_int8:threshold=20"],
    "omniquant": ["omniquant:steps=10", "omniquant:by=group,steps=5,shift=always,scale=false", "omniquant:clip=false,steps=5"],
    "osplus": ["osplus", "osplus:shift=always", "osplus:shift=never,steps=1"],
    "qvlm": ["qvlm", "qvlm:depth=1,ratios=3,power=2", "qvlm:low=0.8,ratios=2,sweeps=1,rows=40"],
    "quarot": ["quarot", "quarot:seed=3,clip=0.9"],
    "smoothquant": ["smoothquant", "smoothquant:search=true"],
    "spinquant": ["spinquant:steps=3", "spinquant:weights=false,steps=2,rows=40,seed=4"],
    "zeroquant": ["zeroquant", "zeroquant:group=16"],
    "masquant": ["masquant", "masquant:rank=1", "masquant:rank=0", "masquant:rank=0,search=true", "masquant:rank=3,alpha=0.7"],
    "mbq": ["mbq", "mbq:image=0.1,error=mse,ratios=4", "mbq:image=0.1,video=2,audio=0.5"],
    "mquant": ["mquant", "mquant:grid=asymmetric,clip=0.9"],
    "morphomodal": [
        "morphomodal",
        "morphomodal:masks=each,two_level=true",
        "morphomodal:fold=true,bypass_budget=1",
        "morphomodal:masks=pooled,balance=tokens,bypass_budget=0",
        "morphomodal:variant=paper,mask_scope=global,two_level=true,fold=true",
    ],
    "morphoquant": ["morphoquant", "morphoquant:variant=paper", "morphoquant:variant=arxiv", "morphoquant:bypass_penalty=0.5"],
}
COMBINED = ["smoothquant+mdqfo", "quarot+mdqfo", "quarot:seed=2+dabc:lam=1", "awq:clip=false+gptq", "gptq+morphoquant"]
COMBINED += ["smoothquant+gptq+morphomodal:two_level=true", "quarot+morphomodal:fold=true+gptq"]
COMBINED += ["quarot+gptq+mquant", "osplus:shift=always+masquant"]
COMBINED += ["osplus+quarot+gptq+mdqfo", "smoothquant+atom", "smoothquant+llm_int8", "omniquant:steps=3+mdqfo"]
COMBINED += ["quarot+gptq+qvlm:depth=1"]
COMBINED += ["mbq+gptq", "quarot+mbq+mdqfo"]
COMBINED += ["smoothquant+spinquant:weights=false,steps=2+gptq+mdqfo"]
TEXTS = [text for name in METHODS for text in VARIANTS.get(name, [name])] + COMBINED
# A method and each of its paths at every spec of integers; at other formats, which no field looks at, each method once.
FIRST = [VARIANTS.get(name, [name])[0] for name in METHODS] + COMBINED[:3]
SPECS = ["w4a4", "w4a8-g16", "w2a2", "w4a4-nf4", "w16a4", "w8a16", "w4a4-token", "w8a8-tensor", "w3a8-g8-token"]
FORMATS = ["w4a4-mxfp4", "w4a4-nvfp4", "w4a4-hif4", "w8a8-e4m3", "w8a8-e5m2", "w8a8-hif8", "w4a4-nf4-amxfp4", "w4a8-hif4"]
USED_BY = {
    Need.EXTREMES: {"count", "min", "max"},
    Need.MEAN_ABS: {"mean_abs"},
    Need.MOMENTS: {"mean", "m2"},
    Need.MODALITIES: {"by_modality"},
}


def near(text, spec="w4a4"):
    """The spec, with activations of another granularity where the method does not take its own."""
    return next(wanted for wanted in (spec, f"{spec}-token", f"{spec}-tensor") if honours(text, wanted))


def fit(text, inputs, spec=None):
    method = parse_method(text) if isinstance(text, str) else text
    survey = method.survey({inputs.group: inputs.summary, "another": inputs.summary})
    return method.fit(inputs, QuantSpec.parse(spec or near(text)), survey)


def honours(text, spec) -> bool:
    try:
        parse_method(text).check(QuantSpec.parse(spec))
    except SpecError:
        return False
    return True


def every(found: GroupFit) -> list[GroupFit]:
    """The fit and those of single modalities."""
    assert not any(part.by_modality or part.columns for part in found.by_modality.values())
    return [found, *found.by_modality.values()]


def apply(found: GroupFit, x: torch.Tensor) -> torch.Tensor:
    """The quantised input, in the basis of `x`; of fits by modality all rows as each of them has it."""
    return torch.cat([apply_one(part, x) for part in every(found)])


def apply_one(found: GroupFit, x: torch.Tensor) -> torch.Tensor:
    turned = found.transform.input(x)
    xq = found.activation.quantize(turned)
    return found.transform.undo(xq if found.correction is None else found.correction.apply(turned, xq))


def same(one: GroupFit, other: GroupFit) -> bool:
    columns = one.columns is None and other.columns is None
    if not columns:
        columns = all(np.array_equal(one.columns[name], other.columns[name], equal_nan=True) for name in one.columns)
    probe = torch.linspace(-3, 3, next(iter(one.weights.values())).shape[1])
    basis = torch.equal(one.transform.input(probe), other.transform.input(probe))
    weights = all(torch.equal(one.weights[layer], other.weights[layer]) for layer in one.weights)
    parts = zip(one.by_modality.items(), other.by_modality.items(), strict=True)
    return columns and basis and weights and all(a == b and same(left, right) for (a, left), (b, right) in parts)


@pytest.mark.parametrize("name", list(METHODS))
def test_a_method_is_a_documented_frozen_dataclass_with_defaults(name):
    cls = METHODS[name]
    method = cls()
    assert is_dataclass(cls) and method.name == name
    with pytest.raises(FrozenInstanceError):
        setattr(method, fields(cls)[0].name, None)
    for section in ("Idea:", "Formula:", "Needs:", "Cost:", "Fails when:", "Source:"):
        assert section in cls.__doc__, f"{name} does not say its {section}"


@pytest.mark.parametrize("text", [text for text in TEXTS if text not in COMBINED])
def test_options_and_text_lead_back_to_the_method(text):
    method = parse_method(text)
    assert parse_method(describe_method(method)) == method
    again = make_method(method.name, json.loads(json.dumps(method.options())))
    assert again.options() == method.options()
    assert set(method.options()) == {field.name for field in fields(method)}
    assert None not in method.options().values()


@pytest.mark.parametrize(
    ("text", "spec"), [(text, spec) for text in TEXTS for spec in SPECS + (FORMATS if text in FIRST else FORMATS[:1])]
)
def test_fits_what_it_honours_and_refuses_the_rest_in_one_sentence(text, spec, inputs):
    if not honours(text, spec):
        with pytest.raises(SpecError, match=f"cannot honour .*'{spec}'.*, or use rtn") as refused:
            fit(text, inputs, spec)
        assert str(refused.value).count(".") == 1
        return
    found = fit(text, inputs, spec)
    parsed = QuantSpec.parse(spec)
    assert found.group == inputs.group
    assert set(found.weights) == set(inputs.weights), "every linear of the group has its weight"
    for part in every(found):
        assert set(part.weights) == set(inputs.weights)
        for layer, weight in part.weights.items():
            assert weight.shape == inputs.weights[layer].shape
            assert torch.isfinite(weight).all()
        if not parsed.quantises_activations:
            assert part.activation is None and part.correction is None and part.columns is None
            continue
        xq = apply_one(part, inputs.sample.x)
        assert xq.shape == inputs.sample.x.shape and torch.isfinite(xq).all()
        assert not torch.equal(xq, inputs.sample.x)
        if parsed.a_format != "int":
            assert isinstance(part.activation, FormatQuantizer) and part.activation.name == parsed.a_format
    for layer, weight in found.weights.items():
        assert torch.equal(weight, found.transform.weight(inputs.weights[layer])) != parsed.quantises_weights
    assert (found.columns is None) != (parsed.static_activations and not found.by_modality)
    if parsed.w_format != "int":
        integers = fit(text, inputs, f"w{parsed.w_bits}a16")
        assert all(not torch.equal(weight, integers.weights[layer]) for layer, weight in found.weights.items())


@pytest.mark.parametrize("text", [text for text in TEXTS if near(text) == "w4a4"])
def test_columns_are_those_of_the_grids_table_and_describe_the_quantiser(text, inputs):
    found = fit(text, inputs)
    if found.by_modality:
        assert found.columns is None, "no grid is that of all rows"
        found = fit(text, group(draw(), modalities=(Modality.IMAGE,)))
    columns = found.columns
    assert set(columns) == set(GRIDS.names) - {"group"}
    for name, column in columns.items():
        assert column.shape == (inputs.channels,)
        assert np.isfinite(column).all() or GRIDS.field(name).nullable, name
    assert columns["channel"].tolist() == list(range(inputs.channels))
    assert (columns["step"] > 0).all()
    assert (columns["low"] <= columns["high"]).all() and (columns["base_low"] <= columns["base_high"]).all()
    assert np.array_equal(np.isfinite(columns["bypass_limit"]), columns["masked"])
    if found.correction is not None:
        assert np.array_equal(found.correction.mask.numpy(), columns["masked"])
    codes = np.arange(columns["code_low"].min(), columns["code_high"].max() + 1)
    levels = (codes[:, None] - columns["zero_point"]) * columns["step"]
    xq = found.activation.quantize(inputs.sample.x).numpy()
    away = np.abs(xq[:, None] - levels).min(1)
    assert (away <= 1e-4 * np.maximum(np.abs(xq), 1)).all()


@pytest.mark.parametrize("text", TEXTS)
def test_deterministic(text, inputs):
    assert same(fit(text, inputs), fit(text, inputs))


@pytest.mark.parametrize("text", TEXTS)
def test_sixteen_bits_change_nothing(text):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(32, 8), nn.GELU(), nn.Linear(8, 3))
    x = torch.from_numpy(draw())
    before = model(x)
    inputs = replace(group(draw()), group="0", weights={"0": model[0].weight.detach()})
    found = fit(text, inputs, "w16a16")
    assert isinstance(found.transform, Identity)
    with quantized(model, {"0": found}):
        assert torch.equal(model(x), before)


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize(
    "make",
    [
        lambda: group(draw(), modalities=(Modality.TEXT,)),
        lambda: group(draw()[:3]),
        lambda: group(draw()[:1]),
        lambda: group(draw(), keep=0),
        lambda: group(draw(channels=32)[:, 5:6]),
        lambda: group(np.zeros((20, 16), np.float32)),
        lambda: group(draw()[:0]),
    ],
    ids=["one modality", "three rows", "one row", "no sample", "one channel", "all zero", "never ran"],
)
def test_absent_modalities_and_tiny_samples(text, make):
    inputs = make()
    found = fit(text, inputs)
    x = torch.from_numpy(draw()[:, : inputs.channels])
    assert torch.isfinite(apply(found, x)).all()


@pytest.mark.parametrize("text", TEXTS)
def test_rows_that_are_not_finite_do_not_reach_the_search(text, inputs):
    x = inputs.sample.x.clone()
    x[3, 4], x[9, 0] = torch.nan, torch.inf
    kept = torch.isfinite(x).all(1)
    dirty = replace(inputs, sample=replace(inputs.sample, x=x))
    clean = replace(
        inputs, sample=replace(inputs.sample, x=x[kept], slots=inputs.sample.slots[kept], weights=inputs.sample.weights[kept])
    )
    assert same(fit(text, dirty), fit(text, clean))


class Watched:
    """A summary that notes what is read."""

    def __init__(self, summary: ChannelSummary):
        self.summary = summary
        self.read: set[str] = set()

    def __getattr__(self, name):
        self.read.add(name)
        return getattr(self.summary, name)


class WatchedInputs:
    """GroupInputs that notes whether the sample and the gradients are read."""

    def __init__(self, inputs, summary):
        self.inputs, self.summary, self.read = inputs, summary, set()

    @property
    def sample(self):
        self.read.add(Need.SAMPLE)
        return self.inputs.sample

    @property
    def gradients(self):
        self.read.add(Need.GRADIENTS)
        return self.inputs.gradients

    def __getattr__(self, name):
        return getattr(self.inputs, name)


@pytest.mark.parametrize("text", TEXTS)
def test_needs_declared_are_needs_used(text, inputs):
    method = parse_method(text)
    summary = Watched(inputs.summary)
    watched = WatchedInputs(inputs, summary)
    method.fit(watched, QuantSpec.parse(near(text)), method.survey({inputs.group: summary}))
    used = watched.read | {need for need, names in USED_BY.items() if names & summary.read}
    # Blocks are not among the inputs of one group: tests/runs/test_blocks.py.
    assert used == method.needs - {Need.BLOCKS}


@pytest.mark.parametrize("text", TEXTS)
def test_more_bits_leave_less_error(text, inputs):
    x = inputs.sample.x
    # The root counts small errors: what is clipped stays clipped at any bit-width.
    fits = [fit(text, inputs, near(text, spec)) for spec in ("w4a3", "w4a5", "w4a8")]
    errors = [sum(float((apply_one(part, x) - x).abs().sqrt().sum()) for part in every(found)) for found in fits]
    assert errors[0] > errors[1] > errors[2]
