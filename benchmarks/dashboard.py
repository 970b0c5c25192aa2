"""How fast the dashboard is: `PYTHONPATH=. python benchmarks/dashboard.py --cache cache`.

Prints each number beside its budget and whether it is kept: the first page, every page on its first visit and when it is come
back to, the views of one layer, what-if of a layer and of the whole model, and every view's chart. Exit code 1 if one is over its
budget. For the size of a 7B model: `python benchmarks/big_cache.py FOLDER`, then `--cache cache FOLDER` measures both, each in a
process of its own.

What is measured: Streamlit's AppTest, so the Python of a page (reading, computing, drawing, in this process), without network and
browser. The first page includes the imports that a server makes at its first visitor. A server that `dashboard` started opens
each of its pages once by itself (`ui/ahead.py`): those lines say "opened ahead", and who clicks before that is done waits for as
long. Then comes a visitor with another session. Beside each time stands the processor time that it took: where the two differ
much, the machine was busy with something else, and `--processor` judges by it.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
FIRST_PAGE, PAGE, LAYER_VIEW, WHAT_IF_LAYER, WHAT_IF_MODEL, CHART = 2.0, 0.5, 0.3, 0.150, 2.0, 1.0


@dataclass(frozen=True)
class Line:
    """One measured number.

    Attributes:
        what: in words.
        measured: seconds or megabytes.
        allowed: its budget, absent where there is none.
        busy: processor seconds, absent for bytes and for the best of several rounds.
        unit: "s" or "MB".
    """

    what: str
    measured: float
    allowed: float | None = None
    busy: float | None = None
    unit: str = "s"

    def kept(self, processor: bool = False) -> bool:
        """Whether it is within its budget; with `processor`, whether its processor time is, where that was taken."""
        judged = self.busy if processor and self.busy is not None else self.measured
        return self.allowed is None or judged <= self.allowed

    def written(self, processor: bool = False) -> str:
        """The line of the report."""
        busy = f"(processor {self.busy:.2f})" if self.busy is not None else ""
        budget = (
            "" if self.allowed is None else f"budget {self.allowed:g} {self.unit}: {'ok' if self.kept(processor) else 'OVER'}"
        )
        return f"{self.what:58} {self.measured:7.2f} {self.unit:2} {busy:18} {budget}".rstrip()


def timed(what: str, allowed: float | None, work: Callable[[], object]) -> tuple[Line, object]:
    """Does `work`; the time it took, and what came of it."""
    wall, busy = time.perf_counter(), time.process_time()
    found = work()
    return Line(what, time.perf_counter() - wall, allowed, time.process_time() - busy), found


def pages(cache: Path) -> list[Line]:
    """The first page; every page as a server opens it ahead; then a visitor's first page, and every page twice."""
    from streamlit.testing.v1 import AppTest

    os.environ["MORPHOQUANT_CACHE"] = str(cache.resolve())
    os.chdir(ROOT)
    names = [path.stem for path in sorted((ROOT / "pages").glob("*.py")) if path.stem != "overview"]

    def opened(app: AppTest, said: str, allowed: float | None) -> list[Line]:
        found = []
        for name in names:
            app.switch_page(f"pages/{name}.py")
            found.append(timed(f"page {name}, {said}", allowed, lambda: _whole(app.run()))[0])
        return found

    server, visitor = (AppTest.from_file(ROOT / "app.py", default_timeout=600) for _ in range(2))
    lines = [timed("first page (Overview)", FIRST_PAGE, lambda: _whole(server.run()))[0]]
    lines += opened(server, "opened ahead", None)
    lines.append(timed("first page (Overview), opened ahead", FIRST_PAGE, lambda: _whole(visitor.run()))[0])
    return lines + opened(visitor, "first visit", PAGE) + opened(visitor, "again", PAGE)


def _whole(app) -> None:
    if app.exception:
        raise RuntimeError(f"the page ended in an error: {app.exception[0].value}")


def views(cache: Path) -> list[Line]:
    """Views of the widest layer that has histograms, and the heaviest chart of all views of captures and quantized runs."""
    from benchmarks.what_if import largest_capture
    from morphoquant.core.errors import MorphoQuantError
    from morphoquant.core.selection import Selection
    from morphoquant.queries.histograms import layers_with_histograms
    from morphoquant.queries.layers import all_layers
    from morphoquant.store.run_store import RunStore
    from morphoquant.takeaway.choose import newest
    from morphoquant.views.base import VIEWS

    store = RunStore(cache)
    capture = largest_capture(store)
    kept = set(layers_with_histograms(capture))
    layers = all_layers(capture)
    layers = layers[layers["layer"].isin(kept)]
    layer = str(layers.loc[layers["in_features"].idxmax(), "layer"])
    lines, sizes = [], {}
    for name, view in VIEWS.items():
        if view.runs not in ("capture", "quantize", "many") or "what_if" in view.takes:
            continue
        of_layer = "layer" in view.takes
        selection = Selection(layer=layer) if of_layer else Selection()
        try:
            runs = [capture] if view.runs == "capture" else newest(store, view)
            line, figure = timed(
                f"view {name}{', widest layer' if of_layer else ', all layers'}",
                LAYER_VIEW if of_layer else None,
                lambda view=view, runs=runs, selection=selection: view.draw(view.query(store, runs, selection), selection),
            )
        except MorphoQuantError as error:
            print(f"view {name}: not there, {error}")
            continue
        lines.append(line)
        sizes[name] = len(figure.to_json())
    heaviest = max(sizes, key=sizes.__getitem__)
    over = [name for name in sizes if sizes[name] / 1e6 > CHART and name != heaviest]
    charts = [(f"heaviest chart ({heaviest})", heaviest), *((f"chart {name}", name) for name in over)]
    return [*lines, *(Line(words, sizes[name] / 1e6, CHART, unit="MB") for words, name in charts)]


def what_if(cache: Path) -> list[Line]:
    """A change of a setting, for the widest layer with histograms and for every layer that has some."""
    from benchmarks.what_if import changes, largest_capture, layer_answer, model_answer
    from morphoquant.core.selection import Selection
    from morphoquant.queries.what_if_inputs import layer_inputs, model_inputs
    from morphoquant.store.run_store import RunStore

    run = largest_capture(RunStore(cache))
    read, model = timed("what if, whole model: reading once", None, lambda: model_inputs(run, Selection()))
    widest = str(model.layers.loc[model.layers["in_features"].idxmax(), "layer"])
    slowest = max(changes(model_answer, model, rounds=1))
    everything = Line(f"what if, a change for {len(model.layers)} inputs", slowest, WHAT_IF_MODEL)
    opened, layer = timed("what if, widest layer: reading once", None, lambda: layer_inputs(run, widest))
    slowest = max(changes(layer_answer, layer))
    return [
        read,
        everything,
        opened,
        Line("what if, a change for the widest layer", slowest, WHAT_IF_LAYER),
    ]


def main(arguments: list[str] | None = None) -> int:
    """Measures and prints; the pages first, since imports belong to the first of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, nargs="+", default=[Path("cache")])
    parser.add_argument("--processor", action="store_true", help="judge by processor time: others use the machine")
    args = parser.parse_args(arguments)
    if len(args.cache) > 1:
        more = ["--processor"] if args.processor else []
        codes = []
        for cache in args.cache:
            print(f"{cache}:", flush=True)
            codes.append(
                subprocess.run([sys.executable, __file__, "--cache", str(cache.resolve()), *more], check=False).returncode
            )
        return max(map(abs, codes))
    cache, lines = args.cache[0].resolve(), []
    for part in (pages, views, what_if):
        for line in part(cache):
            print(line.written(args.processor), flush=True)
            lines.append(line)
    over = [line.what for line in lines if not line.kept(args.processor)]
    print(f"over budget: {', '.join(over)}" if over else "all within budget")
    return int(bool(over))


if __name__ == "__main__":
    sys.exit(main())
