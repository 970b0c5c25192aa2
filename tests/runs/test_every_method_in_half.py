"""Every method is fitted to a model of half precision with weights on the disk, some groups at a time, as to one in memory."""

import numpy as np
import pytest
from fixtures.saved_models import save_llava

import morphoquant
from morphoquant.core.errors import SpecError
from morphoquant.core.modality import Modality
from morphoquant.core.spec import QuantSpec
from morphoquant.data.sample import Part, Sample, fingerprint
from morphoquant.methods.catalog import METHODS
from morphoquant.methods.options import parse_method
from morphoquant.models.load import load
from morphoquant.runs import quantize as quantizing
from morphoquant.runs.gradient_run import store_gradients
from morphoquant.store.run_store import RunStore

FEW = {"omniquant": "omniquant:steps=2", "qvlm": "qvlm:ratios=2", "spinquant": "spinquant:steps=2"}
SPECS = [QuantSpec.parse(text) for text in ("w4a8", "w4a8-token", "w8a8-token", "w4a4-g16", "w4a16")]


def pair(name):
    """A method with few steps, and a spec that it can honour."""
    method = parse_method(FEW.get(name, name))
    for spec in SPECS:
        try:
            method.check(spec)
            return method, spec
        except SpecError:
            continue
    raise AssertionError(f"no spec is for {name}")


@pytest.mark.slow
def test_every_method_finds_the_same_within_a_budget(tmp_path, monkeypatch):
    folder = str(save_llava(tmp_path / "llava"))
    whole, apart = (load(folder, tmp_path, dtype="bfloat16", memory=memory) for memory in (None, 1))
    rng = np.random.default_rng(0)
    pictures = [Part(Modality.IMAGE, rng.integers(0, 255, (20, 20, 3), dtype=np.uint8)) for _ in range(4)]
    given = [
        Sample(str(n), "test", (Part(Modality.TEXT, f"look at {n}"), *[one][: n % 2]), "yes") for n, one in enumerate(pictures)
    ]
    batches = [whole.encode([sample]) for sample in given]
    data = {"id": "test", "fingerprint": fingerprint(given), "samples": len(given)}
    pairs, runs, tables = [pair(name) for name in METHODS], [], []
    monkeypatch.setattr(quantizing, "room", lambda memory, model: 1)
    for loaded, memory in ((whole, None), (apart, 1)):
        store = RunStore(tmp_path / f"cache{memory}")
        shared = dict(store=store, identity=loaded.identity, data=data, control=loaded.control)
        run = morphoquant.capture(whole.model, batches, keep_rows=16, **shared)
        tables.append(store_gradients(loaded, run, given, store=store).table("gradients"))
        scope = ["language", "vision"]
        runs.append(morphoquant.quantize(loaded.model, run, batches, pairs, scope=scope, memory=memory, **shared))
    assert tables[0].equals(tables[1])
    for one, other in zip(*runs, strict=True):
        assert one.run_id == other.run_id
        assert all(one.table(name).equals(other.table(name)) for name in one.header.tables), one.run_id
