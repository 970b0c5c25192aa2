"""The figures at the head of the pages on answers, and their tables."""

import pandas as pd

from morphoquant.core.evaluation import SUBJECTS
from morphoquant.core.meanings import KL
from morphoquant.figures.theme import three_digits
from morphoquant.queries.evaluations import is_full_precision, scope_of
from morphoquant.queries.paired import DIFFERS, paired, verdict_in_words
from morphoquant.ui import frames
from morphoquant.ui.answer_scene import AnswerScene
from morphoquant.ui.headline import Figure
from morphoquant.ui.modality_marks import marked_subject
from morphoquant.ui.notes import plain
from morphoquant.ui.numbers import count
from morphoquant.views.base import VIEWS

_RIGHT = "Share of items whose right choice has the largest likelihood; all shown items together."
_LOSS = "Accuracy less that of full precision on the same items."


def accuracy_figures(scene: AnswerScene) -> list[Figure]:
    """Of the chosen evaluation: right answers, the subject that lost most, answers kept, perplexity."""
    frame = _frame(scene, "accuracy", measure=None)
    own = frame[frame["run_id"] == scene.run.run_id]
    full = frame[frame["method"].isna()]
    figures = [_right(scene, own, frame), _loss(own, full), _kept(own)]
    texts = _frame(scene, "perplexity") if any(run.has("perplexity") for run in scene.runs) else pd.DataFrame({"run_id": []})
    row = texts[texts["run_id"] == scene.run.run_id]
    if len(row):
        ratio, passages = row["ratio"].iat[0], int(row["passages"].iat[0])
        where = f"{passages} held-out passages"
        where += f"; {three_digits(ratio)} times that of full precision" if pd.notna(ratio) and ratio != 1.0 else ""
        figures.append(Figure("Perplexity of text", three_digits(row["perplexity"].iat[0]), where, "Lower is better."))
    return figures


def tested(scene: AnswerScene) -> list[str]:
    """A sentence for each subject on whether the chosen evaluation differs from what it is set against."""
    if scene.against is None:
        return []
    rows = paired(scene.against, scene.run, "subject")
    shown = scene.address.subjects or SUBJECTS
    return [verdict_in_words(row) for row in rows.itertuples() if row.subject in shown]


def asked_of(scene: AnswerScene) -> str:
    """What was asked, and which parts are quantised, in one line."""
    plan = scene.run.plan
    scope = next((scope_of(run.plan) for run in (scene.run, *scene.runs) if not is_full_precision(run.plan)), "")
    parts = f" Quantised: {scope}; all other parts in full precision." if scope else ""
    return f"{count(plan.data.get('samples', 0))} items, {plan.model.get('id')}.{parts} Answers are chosen by likelihood."


def accuracy_table(scene: AnswerScene) -> pd.DataFrame:
    """Methods by task, columns titled with units."""
    frame = _frame(scene, "accuracy", measure="accuracy_by_task")
    titles = {"label": "method", "task": "task", "subject": "subject", "items": "items"}
    shares = {
        "accuracy": "accuracy (%)",
        "low": "95 % from (%)",
        "high": "95 % to (%)",
        "shuffled": "media of other items (%)",
        "chance": "chance (%)",
        "agreement": "same answer (%)",
    }
    wanted = frame[[*titles, *shares, "kl", "run_id"]].copy()
    wanted[[*shares]] = 100.0 * wanted[[*shares]]
    return wanted.rename(columns=titles | shares | {"kl": "KL to full precision (nats)", "run_id": "run identifier"})


def matrix_figures(scene: AnswerScene) -> list[Figure]:
    """For each set but all: where calibrating on it alone costs most against calibrating on all."""
    frame = _frame(scene, "calibration_matrix", measure=None).dropna(subset="to_all")
    figures = []
    for name in list(dict.fromkeys(frame["calibration"]))[:4]:
        worst = frame[frame["calibration"] == name].sort_values("to_all").iloc[0]
        said = "more than noise" if worst["verdict"] == DIFFERS else "not to be told from noise"
        figures.append(
            Figure(
                f"On {plain(name)} alone",
                f"{100 * worst['to_all']:+.1f} points",
                f"on {marked_subject(worst['subject'])}, its worst; {said}",
                "Accuracy less that of the same method calibrated on all, on the same items.",
            )
        )
    return figures


def sensitivity_figures(scene: AnswerScene) -> list[Figure]:
    """The most harmful group, how much the first ten hold, and the sum of all against the whole."""
    frame = _frame(scene, "sensitivity_ranking", measure=None)
    key = frame["subject"].iat[0]
    pooled = frame[frame["subject"] == key].sort_values("rank")
    sums = _frame(scene, "sensitivity_sum", measure=None)
    whole = sums[sums["subject"] == key].iloc[0]
    first, ten = pooled.iloc[0], 100.0 * pooled["share"].head(10).sum()
    together = "not measured" if pd.isna(whole["whole"]) else f"{three_digits(whole['whole'])} nats"
    ratio = "" if pd.isna(whole["ratio"]) else f"; {three_digits(whole['ratio'])} times the sum of {three_digits(whole['sum'])}"
    return [
        Figure("Most harmful alone", f"{three_digits(first['kl'])} nats", plain(first["label"]), KL),
        Figure("Held by the first ten", f"{three_digits(ten)} %", f"of the sum over {len(pooled)} groups", KL),
        Figure("All groups at once", together, f"mean KL to full precision{ratio}", KL),
    ]


def _right(scene: AnswerScene, own: pd.DataFrame, frame: pd.DataFrame) -> Figure:
    other = frame[frame["run_id"] == (scene.against.run_id if scene.against else None)]
    change = f"{100 * (_share(own) - _share(other)):+.1f} points" if len(other) else None
    where = f"{plain(own['label'].iat[0])}, {count(own['items'].sum())} items"
    where += f"; set against {plain(other['label'].iat[0])}" if change else ""
    return Figure("Right answers", f"{100 * _share(own):.1f} %", where, _RIGHT, change)


def _loss(own: pd.DataFrame, full: pd.DataFrame) -> Figure:
    if own["method"].isna().all() or full.empty:
        worst = own.sort_values("accuracy").iloc[0]
        return Figure("Fewest right answers", f"{100 * worst['accuracy']:.1f} %", f"on {marked_subject(worst['subject'])}")
    change = own.set_index("subject")["accuracy"] - full.set_index("subject")["accuracy"]
    subject = change.idxmin()
    return Figure("Largest loss", f"{100 * change[subject]:+.1f} points", f"on {marked_subject(subject)}", _LOSS)


def _kept(own: pd.DataFrame) -> Figure:
    kept = own.dropna(subset="agreement")
    if kept.empty:
        best = own.sort_values("accuracy").iloc[-1]
        return Figure("Most right answers", f"{100 * best['accuracy']:.1f} %", f"on {marked_subject(best['subject'])}")
    share = (kept["agreement"] * kept["items"]).sum() / kept["items"].sum()
    kl = (kept["kl"] * kept["items"]).sum() / kept["items"].sum()
    return Figure("Same answers", f"{100 * share:.1f} %", f"as in full precision; mean KL {three_digits(kl)} nats", KL)


def _share(rows: pd.DataFrame) -> float:
    return rows["right"].sum() / rows["items"].sum()


def _frame(scene: AnswerScene, name: str, **changed) -> pd.DataFrame:
    selection = frames.with_fields(scene.selection(name), **changed)
    return frames.view_frame(scene.store, name, scene.inputs(VIEWS[name]), selection)
