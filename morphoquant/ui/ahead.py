"""Every page is opened once by the server itself, as a browser would, before somebody waits for it.

What a page reads, computes and draws (`ui/frames.py`), imports and compiles is kept by the server for all of its visitors. So
nothing here has to know what a page shows: whoever comes later finds it made, under the very keys that the page asks with.
"""

import socket

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import ClientConnection, connect


def open_pages(address: str, port: int) -> list[str]:
    """Opens the first page of a dashboard, then each that its menus lead to, and waits until it is drawn.

    Args:
        address: of the server.
        port: of the server.

    Returns:
        Their names, as in links; that of the first page is empty.

    Raises:
        OSError: nobody answers there.
        WebSocketException: the server ends midway.
    """
    # The socket is our own, since a proxy of the environment is not for this machine.
    with (
        socket.create_connection((address, port)) as line,
        connect(f"ws://localhost:{port}/_stcore/stream", sock=line, max_size=None) as server,
    ):
        names = _opened(server, "")
        for name in names:
            _opened(server, name)
    return ["", *names]


def _opened(server: ClientConnection, name: str) -> list[str]:
    """Waits for one page; returns the names of the others."""
    asked = BackMsg()
    asked.rerun_script.page_name = name
    server.send(asked.SerializeToString())
    names: list[str] = []
    for data in server:
        said = ForwardMsg.FromString(data)
        if said.WhichOneof("type") == "navigation":
            names = [page.url_pathname for page in said.navigation.app_pages if not page.is_default]
        if said.WhichOneof("type") == "script_finished" and said.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
            break
    return names
