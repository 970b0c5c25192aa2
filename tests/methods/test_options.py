"""Methods from text."""

import pytest

from morphoquant.core.errors import SpecError, UnknownNameError
from morphoquant.core.offered import METHODS as OFFERED
from morphoquant.core.offered import RECOMMENDED, RECOMMENDED_BY_TOKEN
from morphoquant.core.spec import QuantSpec
from morphoquant.methods.catalog import METHODS
from morphoquant.methods.morphoquant import MorphoQuant
from morphoquant.methods.options import make_method, parse_method


def test_the_methods():
    names = "atom awq dabc easyquant gptq llm_int8 masquant mbq mdqfo morphomodal morphoquant mquant omniquant osplus quarot"
    assert sorted(METHODS) == [*names.split(), "qvlm", "rtn", "smoothquant", "spinquant", "zeroquant"]


def test_typed_fields():
    text = " morphoquant : variant=paper, lam=1.5,inclusive=yes,ratio_count=9,mask_all_roles=down_proj+fc2 "
    method = parse_method(text)
    assert method == MorphoQuant(variant="paper", lam=1.5, inclusive=True, ratio_count=9, mask_all_roles=("down_proj", "fc2"))
    assert parse_method("morphoquant:mask_all_roles=none").mask_all_roles == ()
    assert parse_method("morphoquant") == MorphoQuant()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("morphoquant:varant=paper", "no field 'varant': did you mean 'variant'"),
        ("morphoquant:variant=papre", "cannot be 'papre': did you mean 'paper'.* allowed are reference, paper, arxiv"),
        ("mdqfo:lam=1", "no field 'lam'"),
        ("morphoquant:lam", "expected field=value"),
        ("morphoquant:lam=", "expected field=value"),
        ("morphoquant:lam=1,lam=2", "lam twice"),
        ("morphoquant:lam=big", "expected a number"),
        ("morphoquant:lam=-1", "lam cannot be -1.0: allowed is a value at least 0"),
        ("morphoquant:lam=nan", "finite"),
        ("morphoquant:ratio_count=2.5", "expected a whole number"),
        ("morphoquant:ratio_low=0", "above 0 and at most 1"),
        ("morphoquant:inclusive=perhaps", "allowed are true and false"),
        ("morphoquant:cos=token", "search_batches=1"),
        ("rtn:clip=0", "above 0 and at most 1"),
        ("rtn:clip=nan", "above 0 and at most 1"),
    ],
)
def test_errors_are_one_sentence_with_a_way_out(text, message):
    with pytest.raises(SpecError, match=message):
        parse_method(text)


def test_auto_is_the_recommended_method_which_offers_itself_too():
    assert parse_method(" auto ") == parse_method(RECOMMENDED) and RECOMMENDED in OFFERED
    assert parse_method("auto", QuantSpec.parse("w4a4")) == parse_method(RECOMMENDED)
    by_token = parse_method("auto", QuantSpec.parse("w4a4-token"))
    assert by_token == parse_method(RECOMMENDED_BY_TOKEN) and RECOMMENDED_BY_TOKEN in OFFERED
    with pytest.raises(UnknownNameError):
        parse_method("auto:lam=1")


def test_unknown_methods_and_variants():
    with pytest.raises(UnknownNameError, match="did you mean 'morphoquant'"):
        parse_method("morfoquant:lam=1")
    with pytest.raises(UnknownNameError, match="did you mean 'paper'"):
        make_method("dabc", {"variant": "papier"})
    with pytest.raises(SpecError, match="no field 'lambda'"):
        make_method("dabc", {"lambda": 1})
