"""dashboard: opens the pages in a browser, on this machine only by default."""

import os
import subprocess
import sys
from pathlib import Path

from morphoquant.commands import words
from morphoquant.core.errors import StoreError
from morphoquant.store.place import LOCAL, local_folder

APP = Path(__file__).parents[2] / "app.py"


def add(verbs, shared) -> None:
    """Adds the verb's words."""
    verb = verbs.add_parser(
        "dashboard",
        parents=[shared],
        help="open the dashboard",
        description="Open the dashboard on the runs in the cache. It listens on this machine only, unless --address "
        "says otherwise.",
        epilog="example: python -m morphoquant dashboard --port 8600",
    )
    words.add_server_words(verb)
    verb.set_defaults(run=run)


def run(args) -> None:
    """Serves the dashboard until interrupted.

    Raises:
        StoreError: the pages are not beside the package.
    """
    if not APP.exists():
        raise StoreError(f"there is no {APP.name} beside the package: run this from a checkout of the repository.")
    flags = ["--server.port", str(args.port), "--server.address", args.address, "--server.headless", str(args.headless).lower()]
    # The server works in another folder.
    cache = args.cache.resolve() if isinstance(args.cache, Path) else args.cache
    folders = {"MORPHOQUANT_CACHE": str(cache), LOCAL: str(local_folder(cache).resolve())}
    environment = {**os.environ, **folders}
    print(f"Dashboard: http://{args.address}:{args.port} (stop with Ctrl+C)", flush=True)
    server = [sys.executable, "-m", "morphoquant.ui.server", "run", str(APP), *flags]
    subprocess.run(server, env=environment, cwd=APP.parent, check=False)
