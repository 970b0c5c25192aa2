"""A small model's runs, written through the store without torch: real arrays, real statistics of them, a real 4-bit grid.

Three parts of a model, four modalities, one attention sink in the first token and one outlier channel in each modality.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from morphoquant.core.modality import Modality, Position
from morphoquant.core.plan import RunPlan
from morphoquant.stats.bins import bin_of
from morphoquant.stats.dispersion import dispersion_score, outlier_mask
from morphoquant.store.run_store import RunStore
from morphoquant.store.schema import TABLES

SAMPLES, TOKENS, FIRST_TOKENS = 6, 160, 6
_LANGUAGE = (Modality.TEXT, Modality.IMAGE, Modality.AUDIO, Modality.VIDEO)
_PARTS = {
    "language": ("model.language_model.layers", 3, 32, 48, _LANGUAGE),
    "vision": ("model.vision_tower.encoder.layer", 2, 24, 32, (Modality.IMAGE, Modality.VIDEO)),
    "audio": ("model.audio_tower.layers", 2, 24, 32, (Modality.AUDIO,)),
}


@dataclass(frozen=True)
class Linear:
    name: str
    group: str
    component: str
    block: int
    role: str
    inside: int
    outside: int
    modalities: tuple[Modality, ...]


def linears() -> list[Linear]:
    found = []
    for component, (path, blocks, width, inner, modalities) in _PARTS.items():
        for block in range(blocks):
            base = f"{path}.{block}"
            for role, leader, k, n in (
                ("self_attn.q_proj", "self_attn.q_proj", width, width),
                ("self_attn.k_proj", "self_attn.q_proj", width, width),
                ("mlp.up_proj", "mlp.up_proj", width, inner),
                ("mlp.down_proj", "mlp.down_proj", inner, width),
            ):
                last = role.rpartition(".")[2]
                found.append(Linear(f"{base}.{role}", f"{base}.{leader}", component, block, last, k, n, modalities))
    return found


def plan(kind: str, seed: int = 0, **more) -> RunPlan:
    model = {"id": "demo", "revision": None, "class": "OmniForConditionalGeneration", "files": {"model.safetensors": "0" * 64}}
    data = {"id": "demo-calibration", "fingerprint": "1" * 64, "samples": SAMPLES}
    return RunPlan(kind=kind, model=model, data=data, options={"keep_rows": 8}, seed=seed, code="0.1.0", **more)


def write_capture(cache: Path, summary: dict | None = None) -> str:
    capture = plan("capture")
    stats, histograms, kept = [], [], []
    for layer in linears():
        if layer.name == layer.group:
            for modality, position, x in _inputs(layer):
                key = {"group": layer.name, "modality": str(modality), "position": str(position)}
                stats += _stats_rows(key, x)
                histograms += _histogram_rows(key, x)
                kept += [key | {"priority": n, "values": row} for n, row in enumerate(x[:8].tolist())]
    tables = {
        "layers": _layer_rows(),
        "tokens": _token_rows(),
        "channel_stats": stats,
        "histograms": histograms,
        "token_sample": kept,
    }
    return _write(cache, capture, tables, summary or {"description": "A small model made of random numbers."})


def write_quantize(cache: Path, capture: str, method: str = "rtn", bits: int = 4, seed: int = 0, **fields) -> str:
    run = plan("quantize", seed, capture=capture, method=method, fields=fields, spec=f"w4a{bits}")
    grids, uses, errors, levels = [], [], [], 2**bits - 1
    random = np.random.default_rng(1)
    for layer in linears():
        rows = list(_inputs(layer))
        everything = np.concatenate([x for _, position, x in rows if position is Position.REST])
        low, high = everything.min(0), everything.max(0)
        score = dispersion_score(low, high, np.abs(everything).mean(0))
        masked = outlier_mask(score) if method != "rtn" else np.zeros(len(score), bool)
        ratio = 0.8 if method != "rtn" else 1.0
        edge = np.maximum(np.abs(low), np.abs(high)) * ratio
        step, zero = 2 * edge / levels, np.full(len(edge), (levels + 1) // 2.0)
        if layer.name == layer.group:
            grids += [
                dict(group=layer.name, channel=c, score=score[c], masked=bool(masked[c]), base_low=-edge[c] / ratio,
                     base_high=edge[c] / ratio, low=-edge[c], high=edge[c], step=step[c], zero_point=zero[c], code_low=0,
                     code_high=levels, bypass_limit=0.8 * edge[c] if masked[c] else None)
                for c in range(len(edge))
            ]  # fmt: skip
        weight = random.normal(size=(layer.outside, layer.inside)) / layer.inside**0.5
        weight_error = random.normal(size=weight.shape) * 0.03
        for modality, position, x in rows:
            key = {"modality": str(modality), "position": str(position)}
            bypass = masked & (np.abs(x) > 0.8 * edge)
            clipped = (np.abs(x) > edge + step / 2) & ~bypass
            quantised = np.clip(np.rint(x / step + zero), 0, levels) - zero
            error = np.where(bypass, 0.0, quantised * step - x)
            if layer.name == layer.group:
                uses += [
                    key | dict(group=layer.name, channel=c, count=len(x), clipped=int(clipped[:, c].sum()),
                               bypassed=int(bypass[:, c].sum()), signal_sq=float((x[:, c] ** 2).sum()),
                               clip_sq=float((error[:, c] ** 2 * clipped[:, c]).sum()),
                               round_sq=float((error[:, c] ** 2 * ~clipped[:, c]).sum()))
                    for c in range(x.shape[1])
                ]  # fmt: skip
                split = dict(clip_sq=float((error**2 * clipped).sum()), round_sq=float((error**2 * ~clipped).sum()),
                             outlier_signal_sq=float((x**2 * masked).sum()), outlier_error_sq=float((error**2 * masked).sum()),
                             bypassed=int(bypass.sum()))  # fmt: skip
                errors.append(_error_row(layer, key, "input", "activation", x, x + error) | split)
            changes = {
                "weight": (x, weight + weight_error),
                "activation": (x + error, weight),
                "both": (x + error, weight + weight_error),
            }
            errors += [_error_row(layer, key, "output", s, x @ weight.T, xq @ w.T) for s, (xq, w) in changes.items()]
    tables = {"layers": _layer_rows(), "tokens": _token_rows(), "grids": grids, "grid_use": uses, "errors": errors}
    return _write(cache, run, tables, {})


def _inputs(layer: Linear):
    for modality in layer.modalities:
        seed = sum(map(ord, layer.group)) + 1000 * list(Modality).index(modality)
        random = np.random.default_rng(seed)
        for position, rows in ((Position.FIRST, FIRST_TOKENS), (Position.REST, TOKENS)):
            if position is Position.FIRST and layer.component == "language" and modality is not Modality.TEXT:
                continue
            x = random.standard_t(4, size=(rows, layer.inside)).astype(np.float32)
            x[:, 3 + list(Modality).index(modality)] *= 20.0
            if position is Position.FIRST:
                x[:, 7] += 900.0
            yield modality, position, x


def _layer_rows() -> list[dict]:
    return [
        dict(layer=x.name, group=x.group, component=x.component, block=x.block, role=x.role)
        | dict(in_features=x.inside, out_features=x.outside)
        for x in linears()
    ]


def _token_rows() -> list[dict]:
    rows = [dict(sample=n, modality="text", position="first", count=1) for n in range(SAMPLES)]
    for modality in _LANGUAGE:
        share = np.diff(np.linspace(0, TOKENS, SAMPLES + 1).astype(int))
        rows += [dict(sample=n, modality=str(modality), position="rest", count=int(count)) for n, count in enumerate(share)]
    return rows


def _stats_rows(key: dict, x: np.ndarray) -> list[dict]:
    wide = x.astype(np.float64)
    mean = wide.mean(0)
    return [
        key | dict(channel=c, count=len(x), nan_count=0, inf_count=0, min=float(x[:, c].min()), max=float(x[:, c].max()),
                   mean=mean[c], m2=((wide[:, c] - mean[c]) ** 2).sum(), m3=((wide[:, c] - mean[c]) ** 3).sum(),
                   m4=((wide[:, c] - mean[c]) ** 4).sum(), sum_abs=np.abs(wide[:, c]).sum())
        for c in range(x.shape[1])
    ]  # fmt: skip


def _histogram_rows(key: dict, x: np.ndarray) -> list[dict]:
    rows = []
    for c in range(x.shape[1]):
        bins, counts = np.unique(bin_of(x[:, c]), return_counts=True)
        largest = x[np.argsort(-np.abs(x[:, c]))[:4], c]
        rows.append(key | dict(channel=c, bins=bins.tolist(), counts=counts.tolist(), largest=largest.tolist()))
    return rows


def _error_row(layer: Linear, key: dict, tap: str, source: str, true: np.ndarray, found: np.ndarray) -> dict:
    true = true.astype(np.float64)
    cosine = (true * found).sum(1) / (np.linalg.norm(true, axis=1) * np.linalg.norm(found, axis=1) + 1e-30)
    empty = dict.fromkeys(["clip_sq", "round_sq", "outlier_signal_sq", "outlier_error_sq", "bypassed"])
    return (
        dict(layer=layer.name, tap=tap, source=source, tokens=len(true), width=true.shape[1], signal_sq=float((true**2).sum()),
             error_sq=float(((found - true) ** 2).sum()), cosine_sum=float(cosine.sum()), cosine_min=float(cosine.min()))
        | key | empty
    )  # fmt: skip


def _write(cache: Path, run: RunPlan, tables: dict[str, list[dict]], summary: dict) -> str:
    with RunStore(cache).writer(run) as writer:
        writer.finish({name: [pa.Table.from_pylist(rows, schema=TABLES[name])] for name, rows in tables.items()}, summary)
    return run.run_id
