"""A cache of a 7B model's size, for timing the dashboard: `python benchmarks/big_cache.py FOLDER`.

Layer names and widths are those of Qwen2.5-Omni-7B's thinker, read from the classes of transformers without any weight: 4.9
million channel rows. **All statistics are synthetic**: drawn at random, shaped like those of a model (few wide channels that
stay through depth, modalities of different widths). The plan says so too ("synthetic"), and nothing about Qwen follows from them.

Histograms, which a capture of that size keeps in gigabytes, are made for the inputs of the first `--blocks` decoder blocks only.
Written through the store's own writer, one run after another: a capture, and two quantize runs of it.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from morphoquant.core.plan import RunPlan
from morphoquant.queries.input_measures import measures_of
from morphoquant.queries.input_use import use_of
from morphoquant.queries.summed_bins import histograms_of
from morphoquant.runs.tables import summed_up
from morphoquant.stats.bins import bin_edges, bin_of
from morphoquant.store.run_store import RunStore
from morphoquant.store.schema import TABLES

MODEL = "Qwen/Qwen2.5-Omni-7B (names and widths; synthetic statistics)"
TOKENS, SAMPLES, BITS = 4000, 64, 4
_SLOTS = {
    "language": (("text", "first"), *((name, "rest") for name in ("text", "image", "audio", "video"))),
    "vision": (("image", "rest"), ("video", "rest")),
    "audio": (("audio", "rest"),),
    "connector": (("image", "rest"), ("video", "rest")),
    "head": (("text", "rest"),),
}
# Linears that take the input of another one.
_FOLLOW = {"k_proj": "q_proj", "v_proj": "q_proj", "up_proj": "gate_proj", "k": "q", "v": "q"}
_WIDTH_OF = {"text": 1.0, "image": 1.6, "audio": 0.8, "video": 1.4}
METHODS = {"rtn": 1.0, "morphoquant": 0.8}


@dataclass(frozen=True)
class Linear:
    """One linear layer of the model."""

    name: str
    group: str
    component: str
    block: int | None
    role: str
    inputs: int
    outputs: int


def linears() -> list[Linear]:
    """Every linear of the thinker, with the linear that its input is named after."""
    import torch
    from transformers import Qwen2_5OmniThinkerConfig, Qwen2_5OmniThinkerForConditionalGeneration

    from morphoquant.hooks.components import components

    # The published configuration: the classes' defaults are those of 7B but for the width of the vision tower.
    config = Qwen2_5OmniThinkerConfig(vision_config=dict(hidden_size=1280, depth=32, intermediate_size=3420, num_heads=16))
    with torch.device("meta"):
        model = Qwen2_5OmniThinkerForConditionalGeneration(config)
    found = []
    parts = components(model)
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear):
            stem, _, role = name.rpartition(".")
            blocks = [int(part) for part in name.split(".") if part.isdigit()]
            leader = f"{stem}.{_FOLLOW.get(role, role)}"
            component = str(parts[name])
            block = blocks[0] if blocks and component != "connector" else None
            found.append(
                Linear(f"thinker.{name}", f"thinker.{leader}", component, block, role, module.in_features, module.out_features)
            )
    return found


def absmax(linear: Linear, modality: str, position: str) -> np.ndarray:
    """Largest magnitude of every channel [K], synthetic: the same wide channels in every block, growing with depth."""
    lasting = np.random.default_rng([linear.inputs, 1])
    wide = lasting.choice(linear.inputs, max(4, linear.inputs // 200), replace=False)
    own = np.random.default_rng([len(linear.name), sum(linear.name.encode()), len(modality)])
    scale = np.exp(own.normal(0.0, 0.5, linear.inputs)) * _WIDTH_OF[modality] * (1 + (linear.block or 0) / 10)
    scale[wide] *= own.uniform(5, 30, len(wide))
    return scale * (40.0 if position == "first" else 1.0)


def statistics(groups: list[Linear]) -> Iterator[pa.Table]:
    """The table channel_stats, an input at a time."""
    for linear in groups:
        parts = []
        for modality, position in _SLOTS[linear.component]:
            top = absmax(linear, modality, position)
            count = SAMPLES if position == "first" else TOKENS
            spread = top / 4
            zeros = np.zeros(linear.inputs)
            columns = dict(
                channel=np.arange(linear.inputs, dtype=np.int32),
                count=np.full(linear.inputs, count),
                nan_count=zeros.astype(np.int64),
                inf_count=zeros.astype(np.int64),
                min=-(0.9 * top).astype(np.float32),
                max=top.astype(np.float32),
                mean=zeros,
                m2=spread**2 * count,
                m3=zeros,
                m4=4 * spread**4 * count,
                sum_abs=0.75 * spread * count,
            )
            parts.append(_table("channel_stats", dict(group=linear.name, modality=modality, position=position), columns))
        yield pa.concat_tables(parts).unify_dictionaries()


def histograms(groups: list[Linear]) -> Iterator[pa.Table]:
    """The table histograms of these inputs: a normal distribution in the bins between its largest value and a 256th of it."""
    centres = np.abs(bin_edges().mean(axis=1))
    for linear in groups:
        parts = []
        for modality, position in _SLOTS[linear.component]:
            top = absmax(linear, modality, position)
            count = SAMPLES if position == "first" else TOKENS
            last = bin_of(top.astype(np.float32)).astype(np.int64)
            bins = np.maximum(last[:, None] - np.arange(128)[::-1], 1)
            near = np.exp(-0.5 * (centres[bins] / (top[:, None] / 4)) ** 2) * centres[bins]
            counts = np.maximum(np.round(count * near / near.sum(1, keepdims=True)), 1).astype(np.uint32)
            ends = pa.array(np.arange(0, bins.size + 1, 128, dtype=np.int32))
            largest = pa.ListArray.from_arrays(
                pa.array(np.arange(linear.inputs + 1, dtype=np.int32)), pa.array(top.astype(np.float32))
            )
            columns = dict(
                channel=np.arange(linear.inputs, dtype=np.int32),
                bins=pa.ListArray.from_arrays(ends, pa.array(bins.astype(np.uint16).ravel())),
                counts=pa.ListArray.from_arrays(ends, pa.array(counts.ravel())),
                largest=largest,
            )
            parts.append(_table("histograms", dict(group=linear.name, modality=modality, position=position), columns))
        yield pa.concat_tables(parts).unify_dictionaries()


def grids(groups: list[Linear], ratio: float) -> Iterator[pa.Table]:
    """The table grids: a symmetric range a channel, `ratio` of the widest modality."""
    for linear in groups:
        rest = [absmax(linear, *slot) for slot in _SLOTS[linear.component] if slot[1] == "rest"]
        top = np.max(rest, axis=0)
        high, code = ratio * top, 2 ** (BITS - 1) - 1
        masked = (top > np.quantile(top, 0.995)) & (ratio < 1)
        columns = dict(
            channel=np.arange(linear.inputs, dtype=np.int32),
            score=top / np.log1p(top / 5),
            masked=masked,
            base_low=-top,
            base_high=top,
            low=-high,
            high=high,
            step=high / code,
            zero_point=np.zeros(linear.inputs),
            code_low=np.full(linear.inputs, -code, np.int32),
            code_high=np.full(linear.inputs, code, np.int32),
            bypass_limit=pa.array(np.where(masked, 0.8 * high, np.nan), from_pandas=True),
        )
        table = _table(
            "grids", dict(group=linear.name), columns | dict(bypass_limit=pa.array(columns["bypass_limit"], from_pandas=True))
        )
        yield table


def grid_use(groups: list[Linear], ratio: float) -> Iterator[pa.Table]:
    """The table grid_use."""
    for linear in groups:
        parts = []
        for modality, position in _SLOTS[linear.component]:
            top, count = absmax(linear, modality, position), SAMPLES if position == "first" else TOKENS
            signal = (top / 4) ** 2 * count
            clipped = np.full(linear.inputs, 2 * count // 1000 if ratio < 1 else 0)
            columns = dict(
                channel=np.arange(linear.inputs, dtype=np.int32),
                count=np.full(linear.inputs, count),
                clipped=clipped,
                bypassed=np.zeros(linear.inputs, np.int64),
                signal_sq=signal,
                clip_sq=clipped * (0.1 * top) ** 2,
                round_sq=(ratio * top / 7) ** 2 / 12 * count,
            )
            parts.append(_table("grid_use", dict(group=linear.name, modality=modality, position=position), columns))
        yield pa.concat_tables(parts).unify_dictionaries()


def errors(layers: list[Linear], ratio: float) -> pa.Table:
    """The table errors."""
    rows = []
    rng = np.random.default_rng(7)
    for linear in layers:
        for modality, position in _SLOTS[linear.component]:
            count = SAMPLES if position == "first" else TOKENS
            key = dict(layer=linear.name, modality=modality, position=position)
            noise = float(np.exp(rng.normal(-3.5, 0.5)) * ratio)
            taps = [("output", source, share) for source, share in (("weight", 0.4), ("activation", 0.7), ("both", 1.1))]
            taps += [("input", "activation", 0.6)] if linear.name == linear.group else []
            for tap, source, share in taps:
                width = linear.outputs if tap == "output" else linear.inputs
                signal = float(count * width)
                error = signal * noise * share
                row = dict(tap=tap, source=source, tokens=count, width=width, signal_sq=signal, error_sq=error)
                row |= dict(cosine_sum=count * (1 - error / signal / 2), cosine_min=1 - error / signal)
                inside = dict(clip_sq=0.1 * error, round_sq=0.9 * error, outlier_signal_sq=0.3 * signal)
                inside |= dict(outlier_error_sq=0.2 * error, bypassed=int(0.002 * signal))
                rows.append(key | row | {name: inside[name] if tap == "input" else None for name in inside})
    return pa.Table.from_pylist(rows, schema=TABLES["errors"])


def build(cache: Path, layers: list[Linear], blocks: int) -> None:
    """Writes the capture and its quantize runs below `cache`."""
    store = RunStore(cache)
    groups = [linear for linear in layers if linear.name == linear.group]
    kept = [linear for linear in groups if linear.component == "language" and linear.block is not None and linear.block < blocks]
    plan = RunPlan(
        kind="capture",
        model={"id": MODEL, "revision": None, "class": "Qwen2_5OmniThinkerForConditionalGeneration", "files": {}},
        data={"id": "synthetic", "fingerprint": "0" * 64, "samples": SAMPLES},
        options={"synthetic": True},
        seed=0,
        code="synthetic",
    )
    shared = dict(layers=[_layers(layers)], tokens=[_tokens()])
    facts = {"note": "synthetic statistics on the names and widths of Qwen2.5-Omni-7B's thinker, for timing alone"}
    facts["shipped_groups"] = [linear.name for linear in kept]
    with store.writer(plan) as writer:
        made = {**shared, "channel_stats": statistics(groups), "histograms": histograms(kept)}
        made = summed_up(made, "channel_stats", "input_measures", measures_of)
        writer.finish(summed_up(made, "histograms", "input_histograms", histograms_of), facts)
    for method, ratio in METHODS.items():
        fitted = replace(plan, kind="quantize", capture=plan.run_id, method=method, spec=f"w{BITS}a{BITS}")
        tables = {"errors": [errors(layers, ratio)], "grids": grids(groups, ratio), "grid_use": grid_use(groups, ratio)}
        with store.writer(fitted) as writer:
            made = summed_up({**shared, **tables}, "grid_use", "input_use", use_of)
            writer.finish(made, {"note": facts["note"]})


def _layers(layers: list[Linear]) -> pa.Table:
    rows = [
        dict(
            layer=one.name,
            group=one.group,
            component=one.component,
            block=one.block,
            role=one.role,
            in_features=one.inputs,
            out_features=one.outputs,
        )
        for one in layers
    ]
    return pa.Table.from_pylist(rows, schema=TABLES["layers"])


def _tokens() -> pa.Table:
    rows = [dict(sample=sample, modality="text", position="first", count=1) for sample in range(SAMPLES)]
    rows += [
        dict(sample=sample, modality=name, position="rest", count=TOKENS // SAMPLES)
        for sample in range(SAMPLES)
        for name in _WIDTH_OF
    ]
    return pa.Table.from_pylist(rows, schema=TABLES["tokens"])


def _table(name: str, keys: dict[str, str], columns: dict) -> pa.Table:
    """Columns with the keys that all their rows share, as table `name` of the schema."""
    schema = TABLES[name]
    count = len(columns["channel"])
    whole = {key: pa.DictionaryArray.from_arrays(np.zeros(count, np.int32), [value]) for key, value in keys.items()} | columns
    return pa.table([whole[field.name] for field in schema], names=schema.names).cast(schema)


def main(arguments: list[str] | None = None) -> int:
    """Builds the cache and says how large it is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cache", type=Path, metavar="FOLDER")
    parser.add_argument("--blocks", type=int, default=2, help="decoder blocks whose histograms are made (default: 2)")
    args = parser.parse_args(arguments)
    build(args.cache, linears(), args.blocks)
    for entry in RunStore(args.cache).entries():
        size = sum(path.stat().st_size for path in (args.cache / "runs" / entry.run_id).glob("*.parquet"))
        rows = ", ".join(f"{name} {count:,}" for name, count in entry.header.tables.items())
        print(f"{entry.run_id}: {size / 1e6:.0f} MB; rows: {rows}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
