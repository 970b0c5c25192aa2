"""What compared methods cost: calibration, work and storage beside the quantised products, and whether they can be deployed."""

import pandas as pd

from morphoquant.queries.compare import comparable, run_labels
from morphoquant.queries.sources import quantized
from morphoquant.store.run import Run

COLUMNS = ("calibration, s", "extra multiply-accumulates, %", "extra storage, kB", "products")


def compare_cost(runs: list[Run]) -> pd.DataFrame:
    """Cost of each quantize run, as its fits were found.

    Returns:
        run_id, method, spec, then `COLUMNS`: seconds of the search, multiply-accumulates in higher precision over those of
        the quantised products, storage beyond the weights in the spec's format, and "deployable", or "simulated" where scales
        lie along the sum of a product. Null for runs that do not say. In the order of `runs`.
    """
    runs = comparable(quantized(runs))
    rows = []
    for run, label in zip(runs, run_labels(runs), strict=True):
        said = run.header.summary.get("cost")
        values = [None] * len(COLUMNS)
        if said is not None:
            kind = "deployable" if said["deployable"] else "simulated"
            values = [said["calibration_seconds"], said["extra_macs_percent"], said["extra_bytes"] / 1e3, kind]
        spec = str(run.plan.spec)
        rows.append([run.run_id, label.removesuffix(f" {spec}"), spec, *values])
    return pd.DataFrame(rows, columns=["run_id", "method", "spec", *COLUMNS])
