"""What evaluations print: accuracy, distance from full precision, perplexity, paired tests and the calibration matrix."""

import json

import pandas as pd

from morphoquant.queries.accuracy import accuracy
from morphoquant.queries.calibration_matrix import calibration_matrix, matrix_table
from morphoquant.queries.evaluations import is_full_precision
from morphoquant.queries.paired import baseline_of, paired, verdict_in_words
from morphoquant.queries.perplexity import perplexity

_FULL = "full precision"


def show(store, runs: list) -> None:
    """Prints the evaluations of one command: full precision first."""
    captures = {run.plan.capture for run in runs} - {None}
    if len(captures) > 1:
        _show_matrix(store, runs)
        return
    frame = accuracy(runs)
    print("Accuracy in percent, 95 % interval in brackets:")
    print(_wide(frame, "task", _interval))
    if frame["shuffled"].notna().any():
        full = frame[frame["label"] == _FULL].dropna(subset="shuffled")
        print("\nFull precision with the media of other items, and chance, in percent:")
        control = full[["task", "shuffled", "chance"]].set_index("task").mul(100).round(1).T
        print(control.rename_axis(columns=None).to_string())
    if frame["kl"].notna().any():
        by_subject = accuracy(runs, "subject")
        print("\nKL of the answers to full precision in nats, mean over the items:")
        print(_wide(by_subject.dropna(subset="kl"), "subject", lambda row: f"{row.kl:.3f}"))
        print("\nSame answer as full precision, in percent:")
        print(_wide(by_subject.dropna(subset="kl"), "subject", lambda row: f"{100 * row.agreement:.1f}"))
    _show_perplexity(runs)
    _show_tests(runs)


def as_json(store, runs: list, refused) -> str:
    """All that `show` prints and more, for programs."""
    captures = {run.plan.capture for run in runs} - {None}
    found = {"runs": [run.run_id for run in runs], "tasks": _records(accuracy(runs, captures=True))}
    found["subjects"] = _records(accuracy(runs, "subject", captures=True))
    if all(run.has("perplexity") for run in runs):
        found["perplexity"] = _records(perplexity(runs, captures=True))
    found["paired"] = [
        {"run_id": run.run_id, "baseline": base.run_id, **row}
        for run, base in _pairs(runs)
        for row in _records(paired(base, run))
    ]
    if len(captures) > 1:
        found["matrix"] = _records(calibration_matrix(store, runs))
    found["refused"] = list(refused)
    return json.dumps(found, indent=1)


def _show_matrix(store, runs: list) -> None:
    frame = calibration_matrix(store, runs)
    print("Accuracy in percent by what the method was calibrated on (rows) and asked (columns):")
    print(_text(matrix_table(frame)))
    full = frame.drop_duplicates("subject").set_index("subject")["full"]
    print(f"\nFull precision: {', '.join(f'{name} {100 * value:.1f}' for name, value in full.items())}.")
    differs = frame[frame["verdict"] == "differs"]
    print("\nAgainst the same method calibrated on all (paired tests on the same items, Holm over the subjects):")
    for row in differs.itertuples():
        points = 100 * row.to_all
        print(f"  {row.label} calibrated on {row.calibration}, {row.subject}: {points:+.1f} points, p = {row.to_all_p:.3f}.")
    print("  All other differences are not to be told from noise." if len(differs) else "  No difference is more than noise.")


def _show_perplexity(runs: list) -> None:
    if not all(run.has("perplexity") for run in runs):
        return
    frame = perplexity(runs)
    shown = frame[["label", "perplexity", "low", "high", "ratio"]].rename(columns={"label": "method"})
    print(
        f"\nPerplexity of {frame['passages'].iat[0]} passages, with a 95 % interval over them, and its ratio to full precision:"
    )
    print(shown.to_string(index=False, float_format=lambda value: f"{value:.2f}", na_rep="-"))


def _show_tests(runs: list) -> None:
    names = dict(zip(accuracy(runs)["run_id"], accuracy(runs)["label"], strict=True))
    for run, base in _pairs(runs):
        print(f"\n{names[run.run_id]} against {names[base.run_id]}, the same items:")
        for row in paired(base, run).itertuples():
            print(f"  {verdict_in_words(row)}")


def _pairs(runs: list) -> list[tuple]:
    """(run, what it is tested against) of the quantised runs."""
    found = [(run, baseline_of(run, runs)) for run in runs if not is_full_precision(run.plan)]
    return [(run, base) for run, base in found if base is not None]


def _wide(frame: pd.DataFrame, by: str, cell) -> str:
    """A row a method, a column a task or subject."""
    cells = frame.assign(cell=[cell(row) for row in frame.itertuples()])
    wide = cells.pivot(index="run_id", columns=by, values="cell")
    wide = wide.reindex(index=frame["run_id"].unique(), columns=frame[by].unique())
    labels = frame.drop_duplicates("run_id").set_index("run_id")["label"].rename("method")
    return _text(wide.join(labels).set_index("method").reset_index())


def _interval(row) -> str:
    return f"{100 * row.accuracy:.1f} [{100 * row.low:.1f}, {100 * row.high:.1f}]"


def _text(frame: pd.DataFrame) -> str:
    return frame.to_string(index=False, float_format=lambda value: f"{value:.1f}", na_rep="-")


def _records(frame: pd.DataFrame) -> list[dict]:
    return json.loads(frame.to_json(orient="records"))
