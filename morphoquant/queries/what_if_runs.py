"""The method that a what-if setting is, and the runs that have measured it."""

from dataclasses import replace

import numpy as np
import pandas as pd

from morphoquant.core.errors import SpecError
from morphoquant.core.plan import RunPlan
from morphoquant.core.selection import Selection
from morphoquant.core.spec import QuantSpec
from morphoquant.core.what_if import WhatIf
from morphoquant.queries.errors import layer_errors
from morphoquant.queries.what_if import EDGE, ONE_SIGNED, RATIO_COUNT, WHOLE_ROLES
from morphoquant.store.run_store import Run, RunStore

_EDGES = {"edge": EDGE, "one_signed": ONE_SIGNED, "symmetric_edge": "range"}
_MASK = {"score": "log1p", "mask_scope": "local", "inclusive": True, "max_bypass_density": 1.0}


def method_of(settings: WhatIf) -> tuple[str, dict]:
    """Name of the method and those of its fields that decide how activations are rounded.

    Raises:
        SpecError: no method has these settings together.
    """
    settings.check()
    if not settings.places_channels:
        placed = {"clip": settings.clip, "restricted": False}
        return "rtn", placed if settings.granularity == "token" else {"grid": "range", **placed}
    if settings.bypass and not settings.search and settings.clip != 1:
        raise SpecError(
            f"no method bypasses outliers at a fixed clip ratio of {settings.clip:g}: set the clip ratio to 1, which is dabc, "
            "or have it searched, which is morphoquant."
        )
    fields = dict(_EDGES)
    if settings.bypass:
        whole = list(WHOLE_ROLES) if settings.whole else []
        fields |= {**_MASK, "sigma": settings.sigma, "lam": settings.lam, "mask_all_roles": whole}
    if settings.search:
        fields |= {"ratio_count": RATIO_COUNT, "ratio_low": settings.low, "p": settings.p}
        fields |= {"cos": "channel", "cos_weight": settings.cos} if settings.cos else {"cos": "off"}
    name = {(True, False): "dabc", (False, True): "mdqfo", (True, True): "morphoquant"}[settings.bypass, settings.search]
    return name, fields


def method_text(settings: WhatIf) -> str:
    """The method as the command line reads it, such as "morphoquant:sigma=2.5,lam=0.6".

    Raises:
        SpecError: as `method_of`.
    """
    name, fields = method_of(settings)
    usual = method_of(WhatIf(bypass=settings.bypass, search=settings.search))[1]
    given = {key: value for key, value in fields.items() if value != usual.get(key)}
    if name == "rtn":
        # The method's own grid is another one.
        given = {key: value for key, value in fields.items() if (key, value) not in (("clip", 1.0), ("restricted", False))}
    return name + (":" + ",".join(f"{key}={_text(value)}" for key, value in given.items()) if given else "")


def spec_text(settings: WhatIf, weight_bits: int) -> str:
    """The spec with these activations, such as "w4a8-tensor"."""
    return str(QuantSpec(weight_bits, settings.bits, settings.granularity))


def measured_run(store: RunStore, capture: Run, settings: WhatIf) -> Run | None:
    """The newest finished run of the same activation setting that was fitted to `capture`, whatever its weights."""
    try:
        wanted = method_of(settings)
    except SpecError:
        return None
    for entry in store.entries():
        header = entry.header
        if (
            header
            and header.status == "finished"
            and header.plan.capture == capture.run_id
            and _same(header.plan, settings, wanted)
        ):
            return store.open(entry.run_id)
    return None


def measured_db(run: Run, selection: Selection, layer: str | None = None) -> pd.DataFrame:
    """Measured SQNR of layer inputs on the evaluation samples: layer, modality, measured_db; finite ones, of one layer or all."""
    found = layer_errors(run, replace(selection, role=None), "input_sqnr_db")
    found = found[np.isfinite(found["value"])]
    found = found if layer is None else found[found["layer"] == layer]
    return found[["layer", "modality", "value"]].rename(columns={"value": "measured_db"})


def _same(plan: RunPlan, settings: WhatIf, wanted: tuple[str, dict]) -> bool:
    if plan.kind != "quantize" or plan.method != wanted[0] or plan.spec is None:
        return False
    spec = QuantSpec.parse(plan.spec)
    if (spec.a_bits, spec.a_granularity, spec.a_format) != (settings.bits, settings.granularity, "int"):
        return False
    return plan.fields.get("bypass_penalty", 0.0) == 0.0 and all(
        plan.fields.get(key) == value for key, value in wanted[1].items()
    )


def _text(value: object) -> str:
    if isinstance(value, list):
        return "+".join(value) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value).lower()
