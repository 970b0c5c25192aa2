"""Peak memory against the number of blocks, with the layer sizes of Qwen2.5-Omni-7B, with a memory budget and without.

    python benchmarks/memory_7b.py
    python benchmarks/memory_7b.py --blocks 1 2 4 --memory 4GB --methods rtn gptq --dtype bfloat16
    python benchmarks/memory_7b.py --whole --no-free --memory 20GB --ask

Each row is a process of its own: its peak is the VmHWM that the system counts for it, pages of mapped files among them. A capture
comes first; the methods are fitted to it at w4a8 and measured, and with `--ask` the model runs whole as each has quantised it.
Prints what a block adds, what the 28 blocks of the 7B model would take, and ends with status 1 where a peak exceeds the budget.
Embeddings and head of the 7B model, which are left out, add 1.1 GB in bfloat16 and 2.2 GB in float32 each; under a budget only
one of them at a time, while it runs. `--whole` takes the whole model, with its towers, on samples of all modalities.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

GB = 1e9
BLOCKS = 28  # of the 7B model
HIDDEN, INTERMEDIATE = 3584, 18944


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--memory", default="4GB", help="budget (default: 4GB)")
    parser.add_argument("--methods", nargs="*", default=["rtn"], help="methods, such as rtn gptq (default: rtn)")
    parser.add_argument("--dtype", default="bfloat16", help="bfloat16 or float32 (default: bfloat16)")
    parser.add_argument("--samples", type=int, default=2, help="sequences (default: 2)")
    parser.add_argument("--tokens", type=int, default=128, help="of each (default: 128)")
    parser.add_argument("--hidden", type=int, default=HIDDEN)
    parser.add_argument("--intermediate", type=int, default=INTERMEDIATE)
    parser.add_argument("--free", action=argparse.BooleanOptionalAction, default=True, help="without a budget too")
    parser.add_argument("--ask", action="store_true", help="run the quantised model too")
    parser.add_argument("--whole", action="store_true", help="the whole model in place of some of its blocks")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(_one(**json.loads(options.one))))
        return
    peaks: dict[tuple[str, str], dict[int, float]] = {}
    for blocks in [BLOCKS] if options.whole else options.blocks:
        with tempfile.TemporaryDirectory(prefix="memory-7b-") as folder:
            _saved(Path(folder) / "model", *([] if options.whole else [blocks, options.hidden, options.intermediate]))
            for memory in [*([""] if options.free else []), options.memory]:
                for verb in ("capture", *options.methods, *(f"ask {name}" for name in options.methods if options.ask)):
                    words = {"folder": folder, "verb": verb, "memory": memory, "dtype": options.dtype}
                    words |= {"samples": options.samples, "tokens": options.tokens, "whole": options.whole}
                    found = _process(words)
                    peaks.setdefault((verb, memory or "no budget"), {})[blocks] = found["peak"]
                    print(
                        f"{blocks:3d} blocks  {verb:12} {memory or 'no budget':10} peak {found['peak'] / GB:6.2f} GB  "
                        f"{found['seconds']:6.1f} s  {found['told']}",
                        flush=True,
                    )
    sys.exit(_summary(peaks, options.memory))


def _summary(peaks: dict[tuple[str, str], dict[int, float]], memory: str) -> int:
    from morphoquant.core.memory import parse_memory

    exceeded = False
    for (verb, budget), found in peaks.items():
        first, last = min(found), max(found)
        line = f"{verb:12} {budget:10} {found[last] / GB:6.2f} GB with {last} blocks"
        # A budget is what the peak grows up to, not by a block.
        if last > first and budget != memory:
            more = (found[last] - found[first]) / (last - first)
            line += f", {more / GB:+.2f} GB a block, {(found[last] + (BLOCKS - last) * more) / GB:.1f} GB with {BLOCKS}"
        print(line)
        exceeded |= budget == memory and found[last] > parse_memory(memory)
    print(f"{'more' if exceeded else 'no more'} than the budget of {memory}")
    return int(exceeded)


def _process(words: dict) -> dict:
    command = [sys.executable, __file__, "--one", json.dumps(words)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.splitlines()[-1])


def _saved(folder: Path, *sizes: int) -> None:
    code = "import sys; from saved_7b import save_model; save_model(sys.argv[1], *map(int, sys.argv[2:]))"
    here = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])}
    subprocess.run([sys.executable, "-c", code, str(folder), *map(str, sizes)], check=True, env=here)


def _one(folder: str, verb: str, memory: str, dtype: str, samples: int, tokens: int, whole: bool) -> dict:
    """Captures, or quantises by a method, in this process."""
    import torch
    from block_7b import batch
    from transformers import Qwen2_5OmniThinkerForConditionalGeneration
    from whole_7b import whole_batch

    import morphoquant
    from morphoquant.core.layers import Component
    from morphoquant.core.memory import parse_memory
    from morphoquant.core.spec import QuantSpec
    from morphoquant.methods.options import parse_method
    from morphoquant.models.placing import placing
    from morphoquant.quant.residence import is_offloaded
    from morphoquant.runs.fitting import Held, fit
    from morphoquant.runs.inputs import CalibrationInputs
    from morphoquant.runs.quantised_model import quantised_model
    from morphoquant.store.run_store import RunStore
    from morphoquant.store.scratch import scratch

    started, bound = time.monotonic(), parse_memory(memory) if memory else None
    torch.manual_seed(0)
    kind, store, passes = getattr(torch, dtype), RunStore(Path(folder) / f"cache{memory}"), set()
    given = [whole_batch(tokens, kind) if whole else batch(tokens, 1) for _ in range(samples)]
    identity = {"id": "omni-7b", "revision": None, "class": "random", "files": {}}
    with scratch(folder) as aside:
        places = placing(bound, "cpu", aside) if bound else {}
        model = Qwen2_5OmniThinkerForConditionalGeneration.from_pretrained(
            Path(folder) / "model", dtype=kind, use_safetensors=True, **places
        ).eval()
        run = morphoquant.capture(
            model, given, store=store, identity=identity, memory=bound, progress=lambda stage, *_: passes.add(stage)
        )
        if verb.startswith("ask "):
            pairs = [(parse_method(verb.removeprefix("ask ")), QuantSpec.parse("w4a8"))]
            inputs = CalibrationInputs(run, model, (Component.LANGUAGE,))
            (fits,) = fit(pairs, inputs, held=Held(folder=Path(tempfile.mkdtemp(dir=aside)) if bound else None))
            with torch.inference_mode(), quantised_model(model, fits):
                assert model(**given[0]).logits.isfinite().all()
        elif verb != "capture":
            passes.clear()
            data = {"id": "random", "fingerprint": "0", "samples": samples}
            morphoquant.quantize(
                model,
                run,
                given,
                [(parse_method(verb), QuantSpec.parse("w4a8"))],
                store=store,
                identity=identity,
                data=data,
                scope=("language",),
                memory=bound,
                progress=lambda stage, *_: passes.add(stage),
            )
        told = ("weights partly on disk, " if is_offloaded(model) else "") + f"{_passes(passes)} passes"
    return {"peak": _peak(), "seconds": time.monotonic() - started, "told": told}


def _passes(stages: set[str]) -> int:
    """How often the batches ran, by what was told of it."""
    return len({stage for stage in stages if stage.startswith(("capturing", "measuring"))})


def _peak() -> int:
    """Most bytes of memory that this process has held."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


if __name__ == "__main__":
    main()
