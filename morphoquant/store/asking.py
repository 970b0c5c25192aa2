"""What a notebook asks of a run: the dashboard's figures, and their data. Views stand on a higher floor and answer there."""

from typing import TYPE_CHECKING, Any

import pandas as pd

from morphoquant.core.upstairs import upstairs

if TYPE_CHECKING:
    import plotly.graph_objects as go


class Asking:
    """The part of `Run` that shows what it holds."""

    def figure(self, view: str, **filters: Any) -> "go.Figure":
        """The Plotly figure that the dashboard shows for `view`.

        Args:
            view: name of a view; `figures()` lists those that this run can answer.
            **filters: those that the view takes, among: layer (full name of a linear; the one with the strongest outliers if
                absent), component, role, modality (a name or several), first (True takes in the first token of each sequence),
                channel, measure, subject (a name or several), what_if (a dict of settings); and beside (runs or identifiers
                that stand beside this one, or "all" for every run that may).

        Raises:
            MorphoQuantError: an unknown view, filter or value, or a run that cannot answer; one sentence says which.
        """
        return upstairs("figure")(self, view, **filters)

    def figure_data(self, view: str, **filters: Any) -> pd.DataFrame:
        """The data of `figure(view, **filters)`, tidy, a row a point; a table as stored is `table` or `frame`."""
        return upstairs("figure_data")(self, view, **filters)

    def figures(self) -> pd.DataFrame:
        """The views that this run can answer: name, question, takes (the filters). One row each."""
        return upstairs("figures")(self)
