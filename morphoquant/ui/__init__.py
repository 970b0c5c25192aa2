"""Floor 5: the Streamlit parts that pages are put together from. No torch is imported here."""
