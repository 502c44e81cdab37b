"""`python -m digits ui`: the MLflow UI over this repository's own store.

Plain `mlflow ui` would open a new, empty database wherever it is called, and start fifteen
processes.
"""

import argparse
import os
import sys

from digits.commands.options import add_port, check_port_is_free
from digits.commands.runs import mlflow_errors_as_bad_input, open_runs
from digits.common.errors import BadInput

HELP = "the MLflow UI over this repository's runs, on 127.0.0.1"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where it listens."""
    add_port(parser, default=5000)


def run(arguments: argparse.Namespace) -> None:
    """Serve the store on 127.0.0.1 until interrupted."""
    from digits.tracking.lookup import is_postgres, server
    from digits.tracking.messages import without_password
    from digits.tracking.view import save_view, url

    port = arguments.port
    if (uri := server()) and not is_postgres(uri):
        address = without_password(uri)
        raise BadInput(f"MLFLOW_TRACKING_URI says that the runs are on {address}: open that.")
    check_port_is_free(port)
    with mlflow_errors_as_bad_input():
        store = open_runs()
        store.client.search_registered_models(max_results=1)  # the server would fail for it
        store.sweep()
        save_view(store.client, store.experiment_id)
    address = url(f"http://127.0.0.1:{port}", store.experiment_id)
    place = store.folder if store.file else store.name
    print(f"MLflow over {place}: {address} (ready within seconds; Ctrl-C ends it)", flush=True)
    os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"
    # Not as an argument: all users of the machine see those, and a database's has a password.
    os.environ["MLFLOW_BACKEND_STORE_URI"] = store.uri
    where = ["--host", "127.0.0.1", "--port", str(port)]
    command = ["mlflow", "server", *where, "--workers", "1"]
    # This process becomes the server.
    os.execv(sys.executable, [sys.executable, "-m", *command])  # noqa: S606
