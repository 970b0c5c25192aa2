"""What compared methods cost: calibration, work and storage beside the quantised products, and whether they can be deployed."""

import pandas as pd

from morphoquant.core.allocation import specs_of
from morphoquant.core.spec import QuantSpec
from morphoquant.queries.compare import comparable, run_labels
from morphoquant.queries.sources import quantized
from morphoquant.store.run import Run

BITS = "bits a weight"
COLUMNS = ("calibration, s", "extra multiply-accumulates, %", BITS, "extra storage, kB", "products")


def compare_cost(runs: list[Run]) -> pd.DataFrame:
    """Cost of each quantize run, as its fits were found.

    Returns:
        run_id, method, spec, then `COLUMNS`: seconds of the search, multiply-accumulates in higher precision over those of
        the quantised products, what a weight takes in the spec's format, storage beyond that, and "deployable", or "simulated"
        where scales lie along the sum of a product. Null for runs that do not say; bits are known of all that have one spec. In
        the order of `runs`.
    """
    runs = comparable(quantized(runs))
    rows = []
    for run, label in zip(runs, run_labels(runs), strict=True):
        spec, said = str(run.plan.spec), run.header.summary.get("cost")
        bits = None if specs_of(run.plan) else QuantSpec.parse(spec).bits_per_weight
        values = [None, None, bits, None, None]
        if said is not None:
            kind = "deployable" if said["deployable"] else "simulated"
            values = [said["calibration_seconds"], said["extra_macs_percent"], bits, said["extra_bytes"] / 1e3, kind]
        rows.append([run.run_id, label.removesuffix(f" {spec}"), spec, *values])
    return pd.DataFrame(rows, columns=["run_id", "method", "spec", *COLUMNS])
