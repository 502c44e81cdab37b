"""`python -m digits.ui [PORT]`: the MLflow UI over this repository's own store.

Plain `mlflow ui` would open a new, empty database wherever it is called, and start fifteen processes.
"""

import os
import sys

from digits.commands.ports import check_port
from digits.common.errors import BadInput
from digits.experiments.git import ROOT
from digits.tracking.lookup import server, store_folder
from digits.tracking.store import Store
from digits.tracking.view import save_view, url


def main(port: str = "5000") -> None:
    """Serve the store on 127.0.0.1 until interrupted."""
    if uri := server():
        sys.exit(f"MLFLOW_TRACKING_URI says that the runs are on {uri}: open that in a browser.")
    try:
        check_port(port)
        store = Store(store_folder(ROOT))
    except BadInput as error:
        sys.exit(f"ui: {error}")
    store.sweep()
    save_view(store.client, store.experiment_id)
    print(
        f"MLflow over {store.folder}: {url(f'http://127.0.0.1:{port}', store.experiment_id)} (Ctrl-C ends it)",
        flush=True,
    )
    os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"
    command = [
        "mlflow",
        "server",
        "--host",
        "127.0.0.1",
        "--port",
        port,
        "--workers",
        "1",
        "--backend-store-uri",
        store.uri,
    ]
    os.execv(sys.executable, [sys.executable, "-m", *command])  # noqa: S606 (this process becomes the server)
