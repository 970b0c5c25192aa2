"""Remarks and errors, and names inside Markdown. A name may hold anything; none of it is read as markup."""

import re

import streamlit as st

_MARKUP = re.compile(r"([\\`*_{}\[\]()<>#+!|~$:&-])")


def plain(text: object) -> str:
    """`text` so that Markdown shows it as it stands."""
    return _MARKUP.sub(r"\\\1", str(text).replace("\n", " "))


def sentence(error: Exception) -> str:
    """A user's error as a sentence of a page, with a capital."""
    text = plain(error)
    return text[:1].upper() + text[1:]


def note(text: str) -> None:
    """A neutral remark: Streamlit's own blue box takes the text modality's blue, which is not readable on dark."""
    with st.container(border=True):
        st.markdown(text)


def problem(error: Exception | str) -> None:
    """A user's error as its sentence."""
    st.error(plain(error))
