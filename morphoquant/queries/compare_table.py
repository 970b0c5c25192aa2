"""The comparison as people print it: a row a run, a column a modality."""

import pandas as pd

from morphoquant.core.modality import CONTENT

_NAMES = {"pooled_sqnr_db": "pooled", "worst_sqnr_db": "worst layer", "bypass_density": "bypass"}
_UNITS = {"pooled_sqnr_db": "dB", "worst_sqnr_db": "dB", "bypass_density": "%"}


def compare_table(compared: pd.DataFrame, measure: str = "pooled_sqnr_db") -> pd.DataFrame:
    """Widens the frame of `compare_methods`.

    Args:
        compared: its rows.
        measure: "pooled_sqnr_db", "worst_sqnr_db" or "bypass_density".

    Returns:
        method, spec, and one column for each content modality that is present, its unit in the name; null where a run has none.
    """
    modalities = [name for name in map(str, CONTENT) if name in set(compared["modality"])]
    wide = compared.pivot(index="run_id", columns="modality", values=measure)
    wide = wide.reindex(index=compared["run_id"].unique(), columns=modalities)
    wide.columns = [f"{name} ({_NAMES[measure]}, {_UNITS[measure]})" for name in modalities]
    names = compared.drop_duplicates("run_id").set_index("run_id")[["label", "spec"]]
    names["method"] = [label.removesuffix(f" {spec}") for label, spec in zip(names["label"], names["spec"], strict=True)]
    return names[["method", "spec"]].join(wide).reset_index(drop=True)
