"""The server of the dashboard: Streamlit's, which opens its own pages first. `python -m morphoquant.ui.server run app.py ...`"""

import threading
import time
from contextlib import suppress

from streamlit import config, runtime
from streamlit.web import cli
from websockets.exceptions import WebSocketException

from morphoquant.ui.ahead import open_pages

_SECONDS, _STEP = 60.0, 0.1


def main() -> None:
    """Serves until interrupted, by the words of Streamlit's command line."""
    threading.Thread(target=_ahead, name="morphoquant-ahead", daemon=True).start()
    cli.main(prog_name="streamlit")


def _ahead() -> None:
    began = time.monotonic()
    while time.monotonic() - began < _SECONDS:
        time.sleep(_STEP)
        # Nobody answers yet, or the server has ended; what is not opened here, its first visitor opens.
        with suppress(OSError, WebSocketException):
            if runtime.exists():
                names = open_pages(config.get_option("server.address"), config.get_option("server.port"))
                print(f"All {len(names)} pages are read and drawn: each opens at once.", flush=True)
                return


if __name__ == "__main__":
    main()
