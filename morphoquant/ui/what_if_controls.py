"""The controls of the What if page. Each says in one line what it does; those that the setting has no use for are not drawn."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import streamlit as st

from morphoquant.core.what_if import WhatIf
from morphoquant.ui import session

_GRANULARITY = {"channel": "channel", "tensor": "layer", "token": "token"}


def controls(settings: WhatIf) -> None:
    """Draws the controls; a change goes into the address, and so into the link."""
    with st.container(border=True):
        _levels(settings)
        st.toggle("Search each channel's range", help="MDQFO, one half of MorphoQuant.", **_bound(settings, "search"))
        st.caption("Each channel gets the one of 15 clip ratios that leaves the smallest error.")
        if settings.search:
            _search(settings)
        st.toggle("Let outliers bypass", help="DABC, the other half of MorphoQuant.", **_bound(settings, "bypass"))
        st.caption("Large values of outlier channels stay exact, at the cost of a sparse product.")
        if settings.bypass:
            _outliers(settings)
        if settings != WhatIf():
            st.button("Back to plain 4 bits", key="what_if_reset", on_click=session.change, kwargs={"what_if": WhatIf()})


def _levels(settings: WhatIf) -> None:
    st.select_slider("Bits", range(2, 9), **_bound(settings, "bits"))
    st.caption(f"{settings.bits} bits are {2**settings.bits} levels. Each value moves to the nearest one.")
    st.segmented_control(
        "One range for each",
        list(_GRANULARITY),
        format_func=_GRANULARITY.__getitem__,
        required=True,
        help="Granularity: which values share one distance between levels. For a token it is found anew at run time.",
        **_bound(settings, "granularity"),
    )
    st.caption("Values that share a range share its levels: the fewer, the better the fit.")
    if not settings.search:
        _slider(settings, "clip", "Clip ratio", 0.05, 1.0, 0.01)
        st.caption("Share of the observed range that the levels span. What lies beyond is clipped.")


def _search(settings: WhatIf) -> None:
    _slider(settings, "low", "Smallest ratio tried", 0.1, 1.0, 0.05)
    st.caption("The narrowest range that a channel may get.")
    _slider(settings, "p", "Exponent p of the error", 0.5, 4.0, 0.5)
    st.caption("The search lowers mean |error|^p (L_p). A small p heeds the many small values, a large p the few large ones.")
    _slider(settings, "cos", "Cosine weight", 0.0, 2.0, 0.05)
    st.caption("How much the search also keeps the direction of the channel's values; 0 leaves that out.")


def _outliers(settings: WhatIf) -> None:
    _slider(settings, "sigma", "Outlier sigma", 0.0, 6.0, 0.1)
    st.caption("Standard deviations above the layer's mean score from which a channel is an outlier.")
    _slider(settings, "lam", "Bypass threshold", 0.0, 2.0, 0.05)
    st.caption("Values above this many times the edge bypass; at 0 all values of an outlier channel do.")
    st.toggle("All channels of down_proj", **_bound(settings, "whole"))
    st.caption("The published code takes every channel of these inputs for an outlier.")


def _slider(settings: WhatIf, name: str, label: str, least: float, most: float, step: float) -> None:
    # A link may hold a value that the slider does not reach.
    value = getattr(settings, name)
    st.slider(label, min(least, value), max(most, value), step=step, **_bound(settings, name))


def _bound(settings: WhatIf, name: str) -> dict[str, Any]:
    """Key and callback of the widget of one setting."""
    key = f"what_if.{name}"
    return {"key": session.widget(key, getattr(settings, name)), "on_change": _taken(settings, name, key)}


def _taken(settings: WhatIf, name: str, key: str) -> Callable[[], None]:
    def take() -> None:
        value = session.widget_value(key)
        value = round(value, 4) if isinstance(value, float) else value
        session.change(what_if=replace(settings, **{name: value}))

    return take
