"""What is held whole, predicted, against what torch allocates while methods are fitted and gradients measured."""

import pytest
import torch
from fixtures.saved_models import save_llama
from torch.profiler import ProfilerActivity, profile
from transformers import LlamaConfig, LlamaForCausalLM

import morphoquant
from morphoquant.core.layers import Component
from morphoquant.core.modality import Modality
from morphoquant.core.spec import QuantSpec
from morphoquant.data.sample import Part, Sample
from morphoquant.hooks.components import components
from morphoquant.methods.options import parse_method
from morphoquant.models.load import load
from morphoquant.models.placing import placing
from morphoquant.runs.fitting import Fitting, Held
from morphoquant.runs.gradients import measure_gradients
from morphoquant.runs.inputs import CalibrationInputs
from morphoquant.runs.least import Fitted, beside_fits, held_by_fits, least_budget
from morphoquant.runs.sequences import KEPT
from morphoquant.store.run_store import RunStore

TOKENS = 32
SHAPE = {"hidden_size": 128, "intermediate_size": 512, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 100}


def peak(work, mapped):
    """Most bytes that torch's allocator of the CPU holds for what `work` makes; each look into a file of weights counts as an
    allocation of its size `mapped`, which it is not."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True, acc_events=True) as found:
        work()
    events = [one for one in found.profiler.kineto_results.events() if one.name() == "[memory]" and abs(one.nbytes()) != mapped]
    held = most = 0
    for one in sorted(events, key=lambda one: one.start_ns()):
        held += one.nbytes()
        most = max(most, held)
    return most


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """A capture of as many sequences as are kept, and the model with its weights on the disk in half precision."""
    folder, torch_state = tmp_path_factory.mktemp("llama"), torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(**SHAPE)).to(torch.bfloat16).eval()
    model.save_pretrained(folder / "model")
    batches = [{"input_ids": torch.randint(100, (1, TOKENS), generator=torch_state)} for _ in range(KEPT)]
    run = morphoquant.capture(model, batches, store=RunStore(folder), keep_rows=16)
    apart = LlamaForCausalLM.from_pretrained(folder / "model", dtype=torch.bfloat16, **placing(1, "cpu", folder)).eval()
    return CalibrationInputs(run, apart, [Component.LANGUAGE])


def predicted(model, method, tokens):
    linears = {name: one for name, one in model.named_modules() if isinstance(one, torch.nn.Linear)}
    widths = {name: (one.in_features, one.out_features) for name, one in linears.items()}
    scope = [name for name, part in components(model).items() if part is Component.LANGUAGE]
    return held_by_fits(widths, Fitted.of(scope, 1, [method], tokens, next(model.parameters()).element_size()))


def file_size(inputs):
    return (inputs.run.folder.parents[1] / "model" / "model.safetensors").stat().st_size


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("omniquant:steps=2", marks=pytest.mark.slow),
        pytest.param("qvlm:ratios=2", marks=pytest.mark.slow),
        "omniquant:by=group,steps=1",
    ],
)
def test_a_block_is_fitted_within_what_is_predicted(inputs, text):
    method = parse_method(text)
    held = predicted(inputs.model, method, TOKENS)
    fitting = Fitting([(method, QuantSpec.parse("w4a8"))], inputs)
    block = inputs.groups[: len(inputs.groups) // 2]
    found = peak(lambda: fitting.fit(block, lambda *told: None, Held()), file_size(inputs))
    assert found <= held["block"] + beside_fits(held) - held["summaries"] <= 3 * found


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_gradients_are_measured_within_what_is_predicted(tmp_path, dtype):
    folder = save_llama(tmp_path / "llama")
    loaded = load(str(folder), tmp_path, dtype=dtype, memory=1)
    sample = Sample("0", "test", (Part(Modality.TEXT, "word " * 40),), "yes")
    tokens = loaded.encode([sample])["input_ids"].shape[1]
    held = predicted(loaded.model, parse_method("mbq"), tokens) | {"process": 0, "input": 0}
    found = peak(lambda: measure_gradients(loaded, [sample]), (folder / "model.safetensors").stat().st_size)
    least = least_budget(
        held | {"weight": 4 * max(one.numel() for one in loaded.model.parameters())},
        4 * tokens * loaded.model.lm_head.out_features,
    )
    assert found <= 0.9 * least <= 4 * found
