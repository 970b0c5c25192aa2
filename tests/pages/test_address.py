"""An address and its link are one thing."""

from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from morphoquant.core.errors import MorphoQuantError, StoreError
from morphoquant.core.evaluation import SUBJECTS
from morphoquant.core.modality import MODALITIES, Position
from morphoquant.core.what_if import WhatIf
from morphoquant.ui.address import Address, owns

_RUN = st.none() | st.from_regex(r"[a-z0-9][a-z0-9_-]{0,20}", fullmatch=True)
_ADDRESSES = st.builds(
    Address,
    capture=_RUN,
    run=_RUN,
    runs=st.lists(_RUN.filter(bool), unique=True, max_size=3).map(tuple),
    before=_RUN,
    layer=st.none() | st.text(min_size=1, max_size=40),
    component=st.none() | st.sampled_from(["language", "vision"]),
    role=st.none() | st.sampled_from(["q_proj", "mlp.fc1"]),
    modalities=st.lists(st.sampled_from(MODALITIES), unique=True).map(tuple),
    first=st.booleans(),
    channel=st.none() | st.integers(0, 99_999),
    evaluation=_RUN,
    against=_RUN,
    evaluations=st.lists(_RUN.filter(bool), unique=True, max_size=3).map(tuple),
    sensitivity=_RUN,
    inspection=_RUN,
    inspections=st.lists(_RUN.filter(bool), unique=True, max_size=3).map(tuple),
    sample=st.none() | st.integers(0, 99),
    block=st.none() | st.integers(0, 99),
    head=st.none() | st.integers(0, 99),
    subjects=st.lists(st.sampled_from(SUBJECTS), unique=True).map(tuple),
    published=st.none() | st.from_regex(r"[a-z0-9-]{1,30}", fullmatch=True),
    all_layers=st.booleans(),
    what_if=st.builds(
        WhatIf,
        bits=st.integers(2, 8),
        granularity=st.sampled_from(["channel", "tensor"]),
        clip=st.floats(0.01, 1),
        search=st.booleans(),
        lam=st.floats(0, 2),
    ),
    measures=st.dictionaries(st.from_regex(r"[a-z_]{1,12}", fullmatch=True), st.sampled_from(["absmax", "kurtosis"])).map(
        lambda chosen: tuple(sorted(chosen.items()))
    ),
)


@given(_ADDRESSES)
def test_a_link_leads_back_to_its_address(address):
    assert Address.from_query(parse_qs(address.link().lstrip("?"), strict_parsing=bool(address.link()))) == address


def test_the_default_view_has_an_empty_link():
    assert Address().link() == ""


@pytest.mark.parametrize(
    "key", ["capture", "run", "runs", "before", "evaluation", "against", "evaluations", "sensitivity", "inspection"]
)
@pytest.mark.parametrize("value", ["..", "../../etc/passwd", "a/b", "C:\\x", "RUN", "run\n"])
def test_an_identifier_that_cannot_be_one_is_refused(key, value):
    with pytest.raises(StoreError, match="is not a run identifier"):
        Address.from_query({key: [value]})


@pytest.mark.parametrize(
    "query",
    [
        {"modality": ["smell"]},
        {"subject": ["smell"]},
        {"channel": ["-1"]},
        {"channel": ["x"]},
        {"block": ["x"]},
        {"head": ["-1"]},
        {"channel": ["9" * 30]},
        {"whatif.bits": ["99"]},
        {"whatif.bites": ["4"]},
    ],
)
def test_other_values_that_cannot_be_are_one_sentence(query):
    with pytest.raises(MorphoQuantError):
        Address.from_query(query)


def test_the_first_token_is_left_out_unless_asked_for():
    assert Address().selection("any").positions == (Position.REST,)
    assert set(Address(first=True).selection("any").positions) == set(Position)


def test_a_measure_belongs_to_its_view():
    address = Address().with_measure("worst_layers", "kurtosis")
    assert address.selection("worst_layers").measure == "kurtosis"
    assert address.selection("depth_profile").measure is None
    assert address.with_measure("worst_layers", None) == Address()


def test_settings_to_predict_with_are_query_parameters():
    address = Address(what_if=WhatIf(bits=3, bypass=True, sigma=2.5), all_layers=True)
    assert address.link() == "?all_layers=1&whatif.bits=3&whatif.bypass=yes&whatif.sigma=2.5"
    assert owns("whatif.bits") and owns("all_layers") and not owns("what")
    assert address.selection("what_if_grid").what_if == address.what_if
