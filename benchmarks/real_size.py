"""What the preflight predicts for models of real size, and whether a memory budget is enough for them.

    python benchmarks/real_size.py

Builds the shapes of Qwen2.5-Omni-7B's thinker and of Qwen2.5-VL-72B, with their towers, on the meta device: no weight is made.
Prints what they take without a budget, and the parts of the least budget of a capture and of quantising: by rtn, by the
recommended method, by one that needs gradients, and by those that are fitted to whole blocks. Ends with status 1 where 24 GB are
not enough for the first, or 80 GB, of main memory and on one GPU, for the second. `memory_7b.py` measures what the first takes.
"""

import sys

import torch
from block_7b import text_config
from torch import nn
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration
from whole_7b import VOCABULARY, whole_thinker

from morphoquant.core.layers import Component
from morphoquant.core.modality import CONTENT, Modality
from morphoquant.core.spec import QuantSpec
from morphoquant.hooks.components import components
from morphoquant.methods.base import Method
from morphoquant.methods.options import parse_method
from morphoquant.runs.least import Fitted, held_whole, least_budget
from morphoquant.runs.preflight import Data, preflight

GB = 1e9
SAMPLES, TOKENS, KEEP_ROWS = 128, 2048, 128
# What the process holds without a model, measured.
PROCESS = int(0.7 * GB)
METHODS = ("rtn", "gptq+morphomodal", "mbq", "qvlm", "omniquant")
# Share of a GPU's memory that is not given to weights (`models.placing`).
SPARE = 0.2


def vl_72b() -> nn.Module:
    """Qwen2.5-VL-72B."""
    vision = dict(depth=32, hidden_size=1280, intermediate_size=3456, num_heads=16, out_hidden_size=8192)
    text = text_config(VOCABULARY, 8192, 29568, 80, (64, 8))
    return Qwen2_5_VLForConditionalGeneration(Qwen2_5_VLConfig(text_config=text, vision_config=vision))


def main() -> None:
    """Prints both models; the exit status says whether both budgets are enough."""
    enough = [
        _told("Qwen2.5-Omni-7B, thinker", whole_thinker, set(CONTENT), 24),
        _told("Qwen2.5-VL-72B", vl_72b, {Modality.TEXT, Modality.IMAGE, Modality.VIDEO}, 80, gpu=80),
    ]
    sys.exit(not all(enough))


def _told(name: str, build, modalities: set[Modality], budget: int, gpu: int = 0) -> bool:
    with torch.device("meta"):
        model = build().eval()
    data = Data("samples", SAMPLES, frozenset(modalities), TOKENS)
    whole = preflight(model, modalities, data, "memory://", keep_rows=KEEP_ROWS, memory=2**60, weight_bytes=2)
    print(f"{name}: {sum(one.numel() for one in model.parameters()) / 1e9:.2f} billion parameters")
    print(f"  without a budget: weights {whole.weights / GB:.1f} GB in bfloat16, statistics {whole.statistics / GB:.1f} GB")
    return all(
        [_verb(model, data, None, whole.activation, budget, gpu)]
        + [_verb(model, data, parse_method(text), whole.activation, budget, gpu) for text in METHODS]
    )


def _verb(model: nn.Module, data: Data, method: Method | None, activation: int, budget: int, gpu: int) -> bool:
    """A capture, or quantising the language model by a method at w4a4."""
    parts = components(model)
    widths = {one: (module.in_features, module.out_features) for one, module in model.named_modules() if one in parts}
    fitted = Fitted()
    if method is not None:
        method.check(QuantSpec.parse("w4a4"))
        scope = [one for one, part in parts.items() if part is Component.LANGUAGE]
        fitted = Fitted.of(scope, 1, [method], TOKENS, 2)
    largest = max(one.numel() for one in model.parameters())
    held = held_whole(widths, parts, largest, data.modalities, KEEP_ROWS if method is None else None, fitted, PROCESS)
    least = least_budget(held, activation)
    told = ", ".join(f"{part} {size / GB:.2f}" for part, size in held.items() if size)
    verb = "capture" if method is None else f"quantize by {method.name}"
    print(f"  {verb}: at least {least / GB:.1f} GB of {budget} GB ({told}, largest activation {activation / GB:.2f})")
    fits = least <= budget * GB
    if gpu:
        # Methods search and errors are measured in main memory; a weight that is moved to the GPU for a forward has 16 bits.
        on = held["weight"] // 2 + max(held["input"], held["gradients"]) + activation
        fits &= on <= SPARE * gpu * GB
        spare = SPARE * gpu
        print(f"    on a GPU of {gpu} GB: weights {gpu - spare:.0f} GB, the rest elsewhere, and {on / GB:.1f} of {spare:.0f} GB")
    return fits


if __name__ == "__main__":
    main()
