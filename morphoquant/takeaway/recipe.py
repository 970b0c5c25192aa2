"""A run as an llm-compressor recipe, and the list of the linears that it leaves in full precision.

A recipe says how a model is to be quantised, and holds no numbers of this run: llm-compressor calibrates anew, on its own data.
What its modifiers do otherwise than the run stands in the head of the file.

Source: the recipe format of llm-compressor 0.14.0.1, `Recipe.from_dict`: stages of modifiers, read in their order.
"""

import json
from dataclasses import dataclass
from typing import Any

import pandas as pd
import yaml

from morphoquant.core.allocation import bits_of, own_fields, specs_of
from morphoquant.core.layers import expert_of
from morphoquant.core.spec import FULL_PRECISION_BITS, QuantSpec
from morphoquant.figures.press.support import ExportError
from morphoquant.queries.inputs import layer_inputs
from morphoquant.store.run import Run
from morphoquant.store.run_store import RunStore
from morphoquant.takeaway.facts import run_title
from morphoquant.takeaway.recipe_methods import ROUND, Piece, pieces
from morphoquant.takeaway.recipe_schemes import VERSION, RecipeError, input_args, remarks, weight_args
from morphoquant.takeaway.recipe_targets import names_there, patterns

SUFFIXES = (".yaml", ".yml", ".json")
_FULL = f"w{FULL_PRECISION_BITS}a{FULL_PRECISION_BITS}"


@dataclass(frozen=True, eq=False)
class Recipe:
    """What a run becomes.

    Attributes:
        run_id: of the run.
        title: the run in a few words.
        modifiers: arguments by class name, in the order in which they are applied.
        remarks: what llm-compressor does otherwise than the run, in sentences.
    """

    run_id: str
    title: str
    modifiers: dict[str, dict[str, Any]]
    remarks: tuple[str, ...]

    def data(self) -> dict[str, Any]:
        """As the file holds it."""
        return {"default_stage": {"default_modifiers": self.modifiers}}

    def text(self, suffix: str = ".yaml") -> str:
        """The file's text; YAML with a head that says what is otherwise, or JSON, which has no room for it.

        Raises:
            ExportError: another suffix.
        """
        head = [
            f"{self.run_id}: {self.title}",
            f"For {VERSION}. It calibrates anew: no number of the run is in here.",
            *self.remarks,
        ]
        return _written(self.data(), suffix, head)


def recipe(store: RunStore, run: Run) -> Recipe:
    """The recipe of a quantised run.

    Args:
        store: holds the run's capture, which names the linears.
        run: a quantize run, or an evaluation of a method.

    Raises:
        RecipeError: not such a run, or its method, a field or a spec has no counterpart in llm-compressor.
        UnknownNameError: the capture is not in the store.
    """
    layers, full = _layers(store, run)
    quantised = layers[~full]
    if quantised.empty:
        raise RecipeError(f"{run.run_id!r} leaves every linear in full precision")
    found = pieces(str(run.plan.method), own_fields(run.plan), quantised)
    rounds = next((piece for piece in found if piece.rounds), Piece(ROUND))
    modifiers = {piece.modifier: dict(piece.args) for piece in found if piece.modifier and not piece.rounds}
    modifiers[rounds.modifier] = {**rounds.args, **_schemes(quantised, found), "ignore": patterns(layers.loc[full, "layer"])}
    grid = _grid(found)
    said = [one for spec in dict.fromkeys(quantised["spec"]) for one in remarks(QuantSpec.parse(spec), grid)]
    said += [one for piece in found for one in piece.remarks]
    return Recipe(run.run_id, run_title(run), modifiers, tuple(dict.fromkeys(said)))


def excluded(store: RunStore, run: Run) -> list[str]:
    """llm-compressor's names of the captured linears that a quantised run leaves in full precision; of any method.

    Raises:
        RecipeError: the run quantises no model.
        UnknownNameError: the capture is not in the store.
    """
    layers, full = _layers(store, run)
    return list(layers.loc[full, "layer"])


def excluded_text(run: Run, names: list[str], suffix: str = ".yaml") -> str:
    """The text of a file with one list, "ignore".

    Raises:
        ExportError: the suffix is neither YAML's nor JSON's.
    """
    return _written({"ignore": names}, suffix, [f"{run.run_id}: {run_title(run)}", "Linears that stay in full precision."])


def _layers(store: RunStore, run: Run) -> tuple[pd.DataFrame, pd.Series]:
    """The captured linears, as llm-compressor names them, with the spec of each, and which of them stay in full precision."""
    plan = run.plan
    if plan.kind not in ("quantize", "evaluate") or plan.method is None:
        raise RecipeError(f"{run.run_id!r} is a {plan.kind} run that quantises no model")
    capture = store.open(str(plan.capture))
    layers, own = capture.frame("layers"), specs_of(plan)
    specs = layers["group"].map(lambda group: own.get(group, str(plan.spec)))
    layers["spec"] = specs.where(layers["component"].isin(plan.options.get("scope") or ()), _FULL)
    experts = layers["group"].map(expert_of).notna()
    if experts.any():
        # One that saw no token has no ranges, so that the run leaves it as it is.
        layers.loc[experts & ~layers["group"].isin(layer_inputs(capture)["layer"]), "spec"] = _FULL
    layers = layers.assign(layer=layers["layer"].map(names_there)).explode("layer", ignore_index=True)
    return layers, layers["spec"].map(bits_of) == bits_of(_FULL)


def _schemes(quantised: pd.DataFrame, found: list[Piece]) -> dict[str, Any]:
    """The argument config_groups: linears of equal bits, scales and format together."""
    by_method = next((piece.group for piece in found if piece.group), None)
    sizes = quantised["in_features"].map(by_method) if by_method else pd.Series(None, index=quantised.index, dtype=object)
    kinds: dict[tuple, list[str]] = {}
    for layer, spec, size in zip(quantised["layer"], quantised["spec"], sizes, strict=True):
        kinds.setdefault((spec, None if pd.isna(size) else int(size)), []).append(layer)
    symmetric = _grid(found) != "asymmetric"
    groups = {}
    for place, ((text, size), names) in enumerate(kinds.items()):
        spec = QuantSpec.parse(text)
        scheme = dict(weights=weight_args(spec, size), input_activations=input_args(spec, symmetric))
        groups[f"group_{place}"] = {"targets": patterns(names), **scheme}
    return {"config_groups": groups}


def _grid(found: list[Piece]) -> str:
    return next((piece.grid for piece in found if piece.grid != "symmetric"), "symmetric")


def _written(data: dict[str, Any], suffix: str, head: list[str]) -> str:
    if suffix not in SUFFIXES:
        raise ExportError(f"cannot write a recipe as {suffix or 'a file without a suffix'}: allowed are {', '.join(SUFFIXES)}.")
    if suffix == ".json":
        return json.dumps(data, indent=1) + "\n"
    return "".join(f"# {line}\n" for line in head) + yaml.safe_dump(data, sort_keys=False, width=100)
