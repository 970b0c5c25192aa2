"""What the theme in .streamlit/config.toml cannot say: readable labels of charts, room on narrow screens, a visible focus."""

import streamlit as st

# Streamlit draws labels of charts in a grey of contrast 3.7 on white, where WCAG 2.2 (1.4.3) asks for 4.5; these have 7 and 12.
_LABELS = ", ".join(
    f".js-plotly-plot {part}"
    for part in (
        'g[class$="tick"] text',
        'text[class*="title"]',
        ".cbaxis text",
        ".annotation-text",
        ".bartext-outside",
        ".textpoint text",
    )
)
_STYLE = f"""<style>
{_LABELS} {{ fill: light-dark(#4B5261, #D5DAE3) !important; }}
[data-testid="stCaptionContainer"], [data-testid="stCaptionContainer"] p {{
  color: light-dark(#59606E, #B4BAC5) !important; opacity: 1 !important;
}}
@media (max-width: 1500px) {{
  [data-testid="stMainBlockContainer"] {{ padding-left: 2rem; padding-right: 2rem; }}
}}
a:focus-visible, button:focus-visible, [role="menuitem"]:focus-visible, [role="tab"]:focus-visible, summary:focus-visible {{
  outline: 2px solid light-dark(#3E4F6B, #8FB0EA) !important; outline-offset: 2px; box-shadow: none !important;
}}
.st-key-focus {{ display: none; }}
</style>"""
# What a popover holds is drawn at the end of the page, where Tab comes to it after all the rest, and out of sight.
_FOCUS = """<script>
if (!window.morphoquantFocus) {
  window.morphoquantFocus = true;
  document.addEventListener("keyup", (event) => {
    const button = event.target.closest?.('[data-testid="stPopoverButton"]');
    if (!button || !["Enter", " "].includes(event.key)) return;
    setTimeout(() => {
      if (button.getAttribute("aria-expanded") !== "true") return;
      const bodies = document.querySelectorAll('[data-testid="stPopoverBody"]');
      bodies[bodies.length - 1]?.querySelector("input, button, a[href], textarea")?.focus();
    }, 150);
  });
}
</script>"""


def look() -> None:
    """Puts the rules on the page, and the focus into a popover that a key has opened; both are constants."""
    st.html(_STYLE)
    with st.container(key="focus"):
        st.html(_FOCUS, unsafe_allow_javascript=True)
