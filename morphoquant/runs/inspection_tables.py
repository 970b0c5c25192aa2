"""The tables of an inspect run: of one sample for its shard, and of all at the end."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from morphoquant.core.modality import unslot
from morphoquant.runs.full_pass import FullPass
from morphoquant.runs.hidden_axes import chosen_tokens, plane
from morphoquant.runs.quantised_pass import QuantisedPass
from morphoquant.runs.tables import added_up
from morphoquant.runs.taps import Tap
from morphoquant.store.schema import TABLES
from morphoquant.store.writer import RunWriter

_SUMS = ("tokens", "width", "signal_sq", "error_sq", "cosine_sum", "cosine_min")
Tables = dict[str, list[pa.Table]]


def of_sample(found: QuantisedPass, full: FullPass, sample: int, tokens: int) -> Tables:
    """What one sample shows; of `tokens` of its hidden states the values themselves."""
    maps = [{**_named(tap), "sample": sample, **row} for tap, rows in found.maps.items() for row in rows]
    distances = [{**_named(tap), **row} for tap, rows in found.distances.items() for row in rows]
    rows = [row for tap, states in found.states.items() for row in _kept(tap, full, states, sample, tokens)]
    return {
        "propagation": [_table("propagation", _propagation(found))],
        "attention": [_table("attention", maps)],
        "attention_distance": [_table("attention_distance", distances)],
        "hidden_rows": [_table("hidden_rows", rows)],
    }


def whole(writer: RunWriter) -> Tables:
    """The final tables, from those of the shards; without those that the model gave nothing for."""
    found: Tables = {
        "tokens": writer.shard_tables("tokens"),
        "propagation": [added_up("propagation", writer.shard_tables("propagation"))],
        **_planes(writer.shard_tables("hidden_rows")),
    }
    maps = writer.shard_tables("attention")
    if any(part.num_rows for part in maps):
        found["attention"] = [pa.concat_tables(maps).unify_dictionaries()]
        found["attention_distance"] = [added_up("attention_distance", writer.shard_tables("attention_distance"))]
    return found


def _propagation(found: QuantisedPass) -> Iterable[Mapping[str, Any]]:
    for (tap, source), sums in found.errors.items():
        for label, columns in sums.rows().items():
            modality, position = unslot(label)
            key = {**_named(tap), "component": str(tap.component), "source": source}
            names = {"modality": str(modality), "position": str(position)}
            yield {**key, **names, **{name: columns[name] for name in _SUMS}}


def _kept(tap: Tap, full: FullPass, states, sample: int, tokens: int) -> Iterable[Mapping[str, Any]]:
    slots, exact = full.slots[tap, 0], full.states[tap, 0]
    for token in chosen_tokens(slots, tokens):
        values = {name: rows[token].float().cpu().numpy() for name, rows in (("full", exact), ("quantised", states))}
        yield {**_named(tap), "sample": sample, "token": token, "modality": str(unslot(int(slots[token]))[0]), **values}


def _planes(shards: Sequence[pa.Table]) -> Tables:
    rows = pa.concat_tables(shards).unify_dictionaries().to_pandas()
    states, axes = [], []
    for (module, block), part in rows.groupby(["module", "block"], observed=True, sort=False):
        drawn = plane(*(np.stack(part[name].to_list()) for name in ("full", "quantised")))
        if drawn is None:
            continue
        key = {"module": module, "block": block}
        axes += [{**key, **row} for row in drawn.axes]
        tokens = part[["sample", "token", "modality"]].to_dict("records")
        pairs = zip(tokens, drawn.full, drawn.quantised, strict=True)
        states += [{**key, **token, "full": one, "quantised": other} for token, one, other in pairs]
    return {"hidden_states": [_table("hidden_states", states)], "hidden_axes": [_table("hidden_axes", axes)]} if axes else {}


def _named(tap: Tap) -> dict[str, Any]:
    return {"module": tap.name, "block": tap.block}


def _table(name: str, rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=TABLES[name])
