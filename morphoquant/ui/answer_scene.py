"""The frame of the pages on answers: their question, the evaluate or sensitivity runs they are asked of, and the link back."""

from collections.abc import Sequence
from dataclasses import dataclass

from morphoquant.core.selection import Selection
from morphoquant.queries.evaluations import by_spec
from morphoquant.queries.paired import baseline_of
from morphoquant.store.run_store import Run, RunStore
from morphoquant.ui import session
from morphoquant.ui.address import Address
from morphoquant.ui.answer_picker import answer_picker, resolve_answers
from morphoquant.ui.page import link, readable, sentences, title
from morphoquant.views.base import VIEWS, View


@dataclass(frozen=True)
class AnswerScene:
    """What a page on answers looks at, all of it readable.

    Attributes:
        store: the run folders.
        address: the link's content.
        run: the chosen run.
        runs: the evaluations shown, as tables list them, `run` among them; empty for a sensitivity run.
        against: the evaluation that `run` is tested against, if there is any.
    """

    store: RunStore
    address: Address
    run: Run
    runs: tuple[Run, ...] = ()
    against: Run | None = None

    def inputs(self, view: View) -> list[Run]:
        """The runs that `view` is asked of."""
        if view.runs == "sensitivity":
            return [self.run]
        return [found for found in (self.against, self.run) if found] if view.most == 2 else list(self.runs)

    def selection(self, view: str) -> Selection:
        """The filters of one view."""
        return self.address.selection(view)


def open_answers(question: str, views: Sequence[str], *, matrix: bool = False) -> AnswerScene:
    """Draws title, pickers, filters and link; stops the page with a helpful state where there is nothing to look at.

    Args:
        question: the page's one question.
        views: names of the views it shows.
        matrix: whether it is about methods that were calibrated on several sets.
    """
    title(question)
    with sentences():
        store, address = session.store(), session.address()
        kind = VIEWS[views[0]].runs
        needs = "matrix" if matrix else kind
        entries = store.entries()
        asked = resolve_answers(store, entries, address, needs)
        answer_picker(asked, entries, needs, address.subjects)
        run = readable(store, asked.run, needs)
        shown = by_spec(list(asked.chosen or asked.beside))
        scene = AnswerScene(store, address, run, tuple(shown), asked.against or baseline_of(run, list(asked.beside)))
    link(address)
    session.go(address)
    return scene
