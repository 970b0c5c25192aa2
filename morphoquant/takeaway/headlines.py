"""The few numbers that a report of a run opens with."""

from dataclasses import dataclass

from morphoquant.core.layers import short_name
from morphoquant.core.modality import CONTENT
from morphoquant.core.selection import Selection
from morphoquant.figures.theme import three_digits
from morphoquant.queries.accuracy import accuracy
from morphoquant.queries.compare import compare_methods
from morphoquant.queries.depth import depth_profile
from morphoquant.queries.propagation import propagation
from morphoquant.queries.sensitivity import sensitivity
from morphoquant.store.run import Run

_WHERE = ["modality", "layer", "component"]


@dataclass(frozen=True)
class Headline:
    """One number.

    Attributes:
        label: what it is.
        value: with its unit.
        note: where it stands.
    """

    label: str
    value: str
    note: str


def headlines(run: Run) -> list[Headline]:
    """Three or four numbers, by the kind of the run; first tokens are left out.

    Raises:
        StoreError: the run is not finished, or damaged.
    """
    return _OF_KIND[run.plan.kind](run)


def _capture(run: Run) -> list[Headline]:
    tokens, layers = run.frame("tokens"), run.frame("layers")
    by_modality = tokens.groupby("modality")["count"].sum()
    seen = ", ".join(f"{by_modality[name]:,} {name}" for name in map(str, CONTENT) if by_modality.get(name, 0))
    largest, uneven = (_highest(run, measure) for measure in ("absmax", "max_median_ratio"))
    return [
        Headline("Tokens captured", f"{tokens['count'].sum():,}", seen),
        Headline("Layer inputs", f"{layers['group'].nunique():,}", f"{len(layers):,} linear layers, every channel"),
        Headline("Largest |activation|", three_digits(largest["value"]), _place(*largest[_WHERE])),
        Headline("Widest over median channel", f"{three_digits(uneven['value'])}×", _place(*uneven[_WHERE])),
    ]


def _quantize(run: Run) -> list[Headline]:
    compared = compare_methods([run], Selection(modalities=CONTENT)).sort_values("pooled_sqnr_db", kind="stable")
    worst, best = compared.iloc[0], compared.iloc[-1]
    lowest = compared.sort_values("worst_sqnr_db", kind="stable").iloc[0]
    part = run.frame("layers", ["component"], {"layer": lowest["worst_layer"]})["component"].iat[0]
    found = [
        Headline("Lowest output SQNR", f"{worst['pooled_sqnr_db']:.1f} dB", f"{worst['modality']}, layers pooled"),
        Headline("Highest output SQNR", f"{best['pooled_sqnr_db']:.1f} dB", f"{best['modality']}, layers pooled"),
        Headline("Worst layer", f"{lowest['worst_sqnr_db']:.1f} dB", _place(lowest["modality"], lowest["worst_layer"], part)),
    ]
    bypass = compared.dropna(subset="bypass_density").sort_values("bypass_density", kind="stable")
    if len(bypass):
        most = bypass.iloc[-1]
        share, where = most["bypass_density"], f"input values of {most['modality']}"
        note = where if share else "every input value is quantised"
        found.append(Headline("Kept in full precision", f"{share:.1f} %" if share else "none", note))
    return found


def _evaluate(run: Run) -> list[Headline]:
    frame = accuracy([run])
    items, right = int(frame["items"].sum()), int(frame["right"].sum())
    found = [Headline("Right answers", f"{100 * right / items:.1f} %", f"{right:,} of {items:,} questions")]
    above = frame.assign(above=frame["accuracy"] - frame["chance"]).sort_values("above", kind="stable")
    for label, row in (("Nearest to guessing", above.iloc[0]), ("Furthest above guessing", above.iloc[-1])):
        found.append(Headline(label, f"{100 * row['accuracy']:.1f} %", f"{row['task']}; a guess: {100 * row['chance']:.0f} %"))
    return found


def _sensitivity(run: Run) -> list[Headline]:
    frame = sensitivity(run)
    top = frame[frame["rank"] == 1].iloc[0]
    return [
        Headline("Groups quantised alone", f"{frame['group'].nunique():,}", f"{run.plan.method} {run.plan.spec}"),
        Headline("Most sensitive", str(top["label"]), f"KL {three_digits(top['kl'])} nats, {top['subject']} questions"),
        Headline("Its share of the sum", f"{100 * top['share']:.0f} %", "of the KL of all groups"),
    ]


def _inspect(run: Run) -> list[Headline]:
    frame = propagation([run], Selection(modalities=CONTENT))
    last = frame[frame["order"] == frame["order"].max()]
    found = []
    for source, label in (("accumulated", "Worst behind the last block"), ("alone", "Worst behind the last block, alone")):
        row = last[last["source"] == source].sort_values("sqnr_db").iloc[0]
        found.append(Headline(label, f"{three_digits(row['sqnr_db'])} dB", f"{row['modality']}, {row['label']}"))
    lowest = frame[frame["source"] == "alone"].sort_values("sqnr_db").iloc[0]
    where = f"{lowest['modality']}, {lowest['label']}"
    return [*found, Headline("Worst block alone", f"{three_digits(lowest['sqnr_db'])} dB", where)]


def _highest(run: Run, measure: str):
    frame = depth_profile(run, Selection(modalities=CONTENT), measure)
    return frame.loc[frame["value"].idxmax()]


def _place(modality: str, layer: str, part: str) -> str:
    return f"{modality} in {short_name(layer)} ({part})"


_OF_KIND = {"capture": _capture, "quantize": _quantize, "evaluate": _evaluate, "sensitivity": _sensitivity, "inspect": _inspect}
