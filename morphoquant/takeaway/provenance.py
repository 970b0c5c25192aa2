"""The provenance note of a bundle: for people as Markdown, for programs as JSON."""

import json
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version

from morphoquant import __version__
from morphoquant.figures.tables import to_markdown
from morphoquant.store.run import Run
from morphoquant.takeaway.facts import arithmetic, provenance, run_title

_PACKAGES = ("plotly", "matplotlib", "pandas", "numpy", "pyarrow")


@dataclass(frozen=True)
class Entry:
    """One figure or table of a bundle.

    Attributes:
        files: its paths in the bundle.
        title: as captioned.
        question: the question it answers, or how to read it.
        subject: layer and filters in words.
        runs: identifiers.
        command: makes it again.
    """

    files: tuple[str, ...]
    title: str
    question: str
    subject: str
    runs: tuple[str, ...]
    command: str


def versions() -> dict[str, str]:
    """Versions of what draws the figures here; what computed a run's numbers is in the run."""
    return {"morphoquant": __version__, "python": platform.python_version(), **{name: version(name) for name in _PACKAGES}}


def as_markdown(entries: Sequence[Entry], runs: Sequence[Run]) -> str:
    """The note for people."""
    drawn = ", ".join(f"{name} {number}" for name, number in versions().items())
    parts = [
        "# Where these figures and tables come from\n\n",
        f"Drawn by {drawn}. Each command is for a folder whose `cache` holds the runs below, or with `--cache FOLDER`.\n",
        "\n## Figures and tables\n",
    ]
    for entry in entries:
        parts.append(f"\n### {entry.title}\n\n{entry.question} {entry.subject}\n\n")
        parts.append(f"- files: {', '.join(f'`{file}`' for file in entry.files)}\n")
        parts.append(f"- runs: {', '.join(f'`{run_id}`' for run_id in entry.runs) or 'none, the numbers are published ones'}\n")
        parts.append(f"- again: `{entry.command}`\n")
    parts.append("\n## Runs\n" if runs else "")
    for run in runs:
        parts.append(f"\n### {run_title(run)}\n\n{arithmetic(run.header)}\n\n{to_markdown(provenance(run.header))}")
    return "".join(parts)


def as_json(entries: Sequence[Entry], runs: Sequence[Run]) -> str:
    """The note for programs: versions, entries, and the whole plan and summary of every run."""
    told = {
        "versions": versions(),
        "entries": [asdict(entry) for entry in entries],
        "runs": {
            run.run_id: {
                "plan": asdict(run.plan),
                "created": run.header.created,
                "finished": run.header.finished,
                "arithmetic": arithmetic(run.header),
                "summary": run.header.summary,
            }
            for run in runs
        },
    }
    return json.dumps(told, indent=1, allow_nan=False) + "\n"
