"""The dashboard: python -m morphoquant dashboard."""

import streamlit as st

from morphoquant.ui.look import look
from morphoquant.ui.navigate import entered

st.set_page_config(page_title="MorphoQuant", layout="wide", initial_sidebar_state=310)
look()
entered()

# Eighteen entries do not fit into one line: each menu holds what one asks in one go.
st.navigation(
    {
        "": [
            st.Page("pages/overview.py", title="Overview", default=True),
            st.Page("pages/model.py", title="Model"),
        ],
        "Activations": [
            st.Page("pages/distribution.py", title="Distribution"),
            st.Page("pages/tokens.py", title="Tokens"),
            st.Page("pages/masks.py", title="Outlier masks"),
            st.Page("pages/coverage.py", title="Coverage"),
        ],
        "Quantisation": [
            st.Page("pages/what_if.py", title="What if"),
            st.Page("pages/grid.py", title="Grid"),
            st.Page("pages/layer_error.py", title="Layer error"),
            st.Page("pages/inside.py", title="Inside"),
            st.Page("pages/sensitivity.py", title="Sensitivity"),
        ],
        "Methods": [
            st.Page("pages/compare.py", title="Compare"),
            st.Page("pages/side_by_side.py", title="Side by side"),
            st.Page("pages/accuracy.py", title="Accuracy"),
            st.Page("pages/calibration.py", title="Calibration"),
            st.Page("pages/published.py", title="Published"),
        ],
        "Run and save": [
            st.Page("pages/new_run.py", title="New run"),
            st.Page("pages/take_away.py", title="Take away"),
        ],
    },
    position="top",
).run()
