"""Our own runs of methods at bits that a published table has too: to be shown apart from it, never mixed with it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd

from morphoquant.core.plan import RunPlan
from morphoquant.core.spec import QuantSpec
from morphoquant.queries.evaluations import differing_field, is_full_precision
from morphoquant.queries.published import FULL_PRECISION
from morphoquant.store.header import RunHeader
from morphoquant.store.run_store import RunEntry

Pair = tuple[str, str]


@dataclass(frozen=True)
class Measured:
    """Identifiers of finished runs, oldest first, that may stand side by side; empty where there are none.

    Attributes:
        quantize: runs with errors of layers.
        evaluate: runs with answers, full precision among them if the table has it.
    """

    quantize: tuple[str, ...] = ()
    evaluate: tuple[str, ...] = ()


def measured(entries: Sequence[RunEntry], printed: pd.DataFrame) -> Measured:
    """Runs of the methods of `printed` at its bits that may stand side by side.

    Args:
        entries: of the store, newest first.
        printed: cells of `queries.published.published`.

    Returns:
        Of each kind those runs with a method and bits of one row that differ in nothing but method, fields and spec: of several
        such sets the one with most rows, the newer one of two as large. A method in a number format is the same only in that
        format; the granularity of scales and the fields of a method may be others than the paper's, which seldom tells them.
    """
    pairs = _pairs(printed)
    headers = [entry.header for entry in entries if entry.header and entry.header.status == "finished"]
    fitting = [header for header in headers if _pair(header.plan) in pairs]
    asked = _largest(fitting, "evaluate")
    if asked and (FULL_PRECISION, "") in pairs:
        full = (one for one in headers if one.plan.kind == "evaluate" and is_full_precision(one.plan))
        asked += [one for one in full if differing_field(asked[0].plan, one.plan) is None][:1]
    return Measured(_oldest_first(_largest(fitting, "quantize")), _oldest_first(asked))


def _largest(headers: list[RunHeader], kind: str) -> list[RunHeader]:
    """The runs of a kind that differ in method, fields and spec alone and have most pairs of method and bits."""
    sets: dict[str, list[RunHeader]] = {}
    for header in headers:
        if header.plan.kind == kind:
            sets.setdefault(replace(header.plan, method=None, fields={}, spec=None).canonical(), []).append(header)
    return max(sets.values(), key=lambda one: len({_pair(header.plan) for header in one}), default=[])


def _pairs(printed: pd.DataFrame) -> set[Pair]:
    pairs = set()
    for method, bits in printed[["method", "bits"]].drop_duplicates().itertuples(index=False, name=None):
        if method == FULL_PRECISION:
            pairs.add((FULL_PRECISION, ""))
        else:
            pairs |= {(_bare(one), bits) for one in method.split("/")}
    return pairs


def _pair(plan: RunPlan) -> Pair | None:
    """Method and bits of a quantised run as tables name them, absent for any other."""
    if plan.method is None or plan.spec is None:
        return None
    spec = QuantSpec.parse(plan.spec)
    # NF4 weights are what the papers' integer rows have too, or do not tell.
    formats = {one for one in (spec.w_format, spec.a_format) if one not in ("int", "nf4")}
    return _bare("+".join([plan.method, *sorted(formats)])), f"W{spec.w_bits}A{spec.a_bits}"


def _bare(name: str) -> str:
    """Letters and digits alone, so that "Q-VLM" and "qvlm" are one."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _oldest_first(headers: list[RunHeader]) -> tuple[str, ...]:
    return tuple(header.run_id for header in headers[::-1])
