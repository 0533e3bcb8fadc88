"""``hookkeeper sink``: a destination to try things out with. It verifies nothing, keeps nothing."""
# ruff: noqa: PLC0415  imports wait until the command runs: --help has 150 ms

from typing import Annotated

import typer

from ingest.cli import output
from ingest.cli.output import Json


def sink(
    port: Annotated[int, typer.Option(help="Port to listen on; 0: any free one.")] = 8090,
    status: Annotated[int, typer.Option(help="Answer with this status.", min=200, max=599)] = 200,
    fail: Annotated[
        int, typer.Option(help="Answer the first N deliveries with 500, whatever --status.", min=0)
    ] = 0,
    as_json: Json = False,
) -> None:
    """Listen for deliveries on this machine and print each one."""
    from http.server import ThreadingHTTPServer

    from ingest.cli.listening import listen
    from ingest.cli.sinking import Answers, handler

    listener = listen("127.0.0.1", port, setting="--port")
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    server = ThreadingHTTPServer(
        listener.getsockname(), handler(Answers(status, fail), as_json=as_json), False
    )
    server.socket = listener
    server.daemon_threads = True
    if as_json:
        output.line({"listening": address})
    else:
        print(f"Listening on {address}. In hookkeeper.toml:\n", flush=True)
        print(f'  [destinations.sink]\n  url = "{address}/"\n  allow = ["127.0.0.0/8"]\n')
        print('  [[routes]]\n  source = "*"\n  to = ["sink"]\n', flush=True)
    try:
        server.serve_forever(poll_interval=0.2)
    except KeyboardInterrupt:
        server.server_close()
