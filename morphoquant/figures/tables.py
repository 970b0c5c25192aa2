"""A frame as CSV, Markdown, LaTeX or HTML text."""

from html import escape

import pandas as pd

from morphoquant.figures.latex import escaped
from morphoquant.figures.theme import three_digits


def to_csv(frame: pd.DataFrame) -> str:
    """All rows in full precision, a header line, no index."""
    return frame.to_csv(index=False, lineterminator="\n")


def to_markdown(frame: pd.DataFrame) -> str:
    """A pipe table, numbers to three significant digits and to the right."""
    header, rows = _cells(frame)
    rule = ["---:" if _is_number(frame[column]) else "---" for column in frame.columns]
    safe = [[cell.replace("|", r"\|").replace("\n", " ") for cell in row] for row in (header, rule, *rows)]
    return "".join(f"| {' | '.join(row)} |\n" for row in safe)


def to_latex(frame: pd.DataFrame) -> str:
    """A booktabs tabular (\\usepackage{booktabs}), numbers to three significant digits, every character escaped."""
    header, rows = _cells(frame)
    columns = "".join("r" if _is_number(frame[column]) else "l" for column in frame.columns)
    lines = [" & ".join(_escaped(cell) for cell in row) + r" \\" for row in (header, *rows)]
    return "\n".join(
        [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", lines[0], r"\midrule", *lines[1:], r"\bottomrule", r"\end{tabular}", ""]
    )


def to_html(frame: pd.DataFrame) -> str:
    """An HTML table, numbers to three significant digits and to the right, every character escaped."""
    header, rows = _cells(frame)
    kinds = [' class="number"' if _is_number(frame[column]) else "" for column in frame.columns]
    head = "".join(f'<th scope="col"{kind}>{escape(cell)}</th>' for kind, cell in zip(kinds, header, strict=True))
    body = "".join(
        f"<tr>{''.join(f'<td{kind}>{escape(cell)}</td>' for kind, cell in zip(kinds, row, strict=True))}</tr>" for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cells(frame: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    rows = [[_cell(value) for value in row] for row in frame.itertuples(index=False, name=None)]
    return [str(column) for column in frame.columns], rows


def _cell(value) -> str:
    if value is None or value is pd.NA or (isinstance(value, float) and value != value):
        return ""
    return three_digits(value) if isinstance(value, float) else str(value)


def _is_number(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def _escaped(text: str) -> str:
    text = escaped(text)
    return f"{{}}{text}" if text.startswith("[") else text
