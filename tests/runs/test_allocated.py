"""Groups at specs of their own, for real: sensitivities at two specs, a choice among them, and the choice measured."""

import numpy as np
import pytest
from fixtures.small_loaded import small_items, small_loaded

import morphoquant
from morphoquant.core.allocation import Allocation
from morphoquant.core.errors import SpecError
from morphoquant.core.spec import QuantSpec
from morphoquant.methods.options import parse_method
from morphoquant.models.load import LoadedModel
from morphoquant.quant.linear import quantized
from morphoquant.queries.allocation import FULL, allocate, choices
from morphoquant.queries.allocation_front import allocation_front
from morphoquant.runs.allocated import Allocated, allocated
from morphoquant.runs.answers import Asker, log_likelihoods
from morphoquant.runs.evaluate import evaluate
from morphoquant.runs.fitting import Held, fit
from morphoquant.runs.inputs import CalibrationInputs
from morphoquant.runs.scope import parts_of
from morphoquant.runs.sensitivity import sensitivity
from morphoquant.store.run import Run
from morphoquant.store.run_store import RunStore

RTN, LOW, HIGH = parse_method("rtn"), QuantSpec.parse("w3a3"), QuantSpec.parse("w6a6")
ITEMS = small_items(2)


@pytest.fixture(scope="module")
def loaded() -> LoadedModel:
    return small_loaded()


@pytest.fixture(scope="module")
def setting(loaded, tmp_path_factory) -> tuple[RunStore, Run, list[Run]]:
    store = RunStore(tmp_path_factory.mktemp("cache"))
    batches = [loaded.encode([item.sample]) for item in small_items(4, seed=5)]
    capture = morphoquant.capture(
        loaded.model, batches, store=store, identity=loaded.identity, control=loaded.control, keep_rows=8
    )
    return store, capture, [sensitivity(loaded, ITEMS, RTN, spec, store=store, capture=capture) for spec in (LOW, HIGH)]


def asked(loaded, setting, *pairs):
    store, capture, _ = setting
    return evaluate(loaded, ITEMS, pairs, store=store, captures=[capture], control=False)


def test_a_choice_is_measured_as_its_fits_say(loaded, setting):
    store, capture, runs = setting
    given = choices(store, runs[0])
    assert given.specs == ["w3a3", "w6a6", FULL] and len(given.groups) == 8 and given.kl.shape == (8, 3)
    found = allocate(given, "activations", 7.0)
    assert found.mean_a_bits <= 7.0 and len(set(found.specs.values())) > 1 and found.sensitivity == tuple(r.run_id for r in runs)
    method, spec = allocated(found)
    _, run = asked(loaded, setting, (method, spec))

    fits = dict(
        zip(
            ("w3a3", "w6a6"),
            fit([(RTN, LOW), (RTN, HIGH)], CalibrationInputs(capture, loaded.model, parts_of(["language"]))),
            strict=True,
        )
    )
    own = {group: fits[text][group] for group, text in found.specs.items() if text != FULL}
    with quantized(loaded.model, own):
        expected = log_likelihoods(loaded.model, [Asker(loaded)(item) for item in ITEMS])
    stored = run.frame("answers").set_index("item")["log_likelihoods"]
    for item, values in zip(ITEMS, expected, strict=True):
        assert np.allclose(stored[item.id], values, rtol=0, atol=1e-5)

    front = allocation_front(store, runs[0], "activations").set_index("run_id")
    assert front.loc[run.run_id, "sum"] == pytest.approx(found.kl) and front.loc[run.run_id, "kl"] >= 0
    assert front.loc[run.run_id, "bits"] == pytest.approx(found.mean_a_bits)


def test_one_spec_for_all_is_the_plain_run(loaded, setting):
    method, spec = allocated(
        Allocation("rtn", RTN.options(), dict.fromkeys(setting[2][0].frame("sensitivity")["group"].dropna(), "w6a6"))
    )
    plain, same = (asked(loaded, setting, pair)[1] for pair in ((RTN, HIGH), (method, spec)))
    assert same.run_id == plain.run_id and "specs" not in same.plan.fields


def test_groups_at_one_spec_are_fitted_once(loaded, setting):
    inputs, held = CalibrationInputs(setting[1], loaded.model, parts_of(["language"])), Held()
    mixed = Allocated(RTN, ((inputs.groups[0], "w6a6"),))
    low, high, some = fit([(RTN, LOW), (RTN, HIGH), (mixed, LOW)], inputs, held=held)
    assert len(held.fits) == 2 * len(inputs.groups)
    assert some[inputs.groups[0]] is high[inputs.groups[0]]
    assert all(some[group] is low[group] for group in inputs.groups[1:])


def test_what_cannot_be_is_one_sentence(loaded, setting):
    inputs = CalibrationInputs(setting[1], loaded.model, parts_of(["language"]))
    with pytest.raises(SpecError, match="names group 'elsewhere', which is not among the 8 in scope"):
        fit([(Allocated(RTN, (("elsewhere", "w6a6"),)), LOW)], inputs)
    with pytest.raises(SpecError, match="gptq carries errors over integer grids"):
        Allocated(parse_method("gptq"), ((inputs.groups[0], "w4a16-nf4"),)).check(LOW)
    with pytest.raises(SpecError, match="fitted to whole blocks"):
        Allocated(parse_method("omniquant"), ((inputs.groups[0], "w6a6"),)).check(LOW)
