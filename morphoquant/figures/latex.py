"""Text for LaTeX: every character is one that pdflatex sets as it stands."""

_WORDS = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "²": r"\textsuperscript{2}",
    "×": r"\ensuremath{\times}",
    "·": r"\ensuremath{\cdot}",
    "−": r"\ensuremath{-}",
    "–": "--",
    "—": "---",
    "…": r"\ldots{}",
    "≤": r"\ensuremath{\leq}",
    "≥": r"\ensuremath{\geq}",
    "→": r"\ensuremath{\rightarrow}",
    "α": r"\ensuremath{\alpha}",
    "λ": r"\ensuremath{\lambda}",
    "μ": r"\ensuremath{\mu}",
    "µ": r"\ensuremath{\mu}",
    "σ": r"\ensuremath{\sigma}",
    "Δ": r"\ensuremath{\Delta}",
    "‖": r"\ensuremath{\|}",
}
# The letters with accents of Latin-1, which a T1 font has.
_LATIN = range(0xC0, 0x100)


def escaped(text: object) -> str:
    """`text` as LaTeX of one line; a character that no T1 font has is written as its code point, U+4F60."""
    return "".join(_letter(letter) for letter in str(text).replace("\n", " "))


def code(name: object) -> str:
    """A name in typewriter letters that may break after a dot, a dash or an underscore."""
    broken = escaped(name)
    for mark in (".", r"\_", "-"):
        broken = broken.replace(mark, mark + r"\allowbreak{}")
    return rf"\texttt{{{broken}}}"


def _letter(letter: str) -> str:
    if letter in _WORDS:
        return _WORDS[letter]
    if " " <= letter <= "~" or ord(letter) in _LATIN:
        return letter
    return f"U+{ord(letter):04X}"
