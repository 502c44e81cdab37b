"""`python -m digits draw`: a page on 127.0.0.1 to draw digits on."""

import argparse
import os
from pathlib import Path

from digits.commands.options import add_port, check_port_is_free
from digits.commands.readers import add_model, open_reader
from digits.common.errors import BadInput
from digits.experiments.git import ROOT

HELP = "a page to draw digits on, on 127.0.0.1: read as one draws, kept with their labels"

DRAWN = ROOT / "data" / "own" / "drawn"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The model, where drawings are kept, and where the server listens."""
    add_model(parser)
    parser.add_argument(
        "--folder",
        type=Path,
        default=DRAWN,
        help="where drawings are kept, with a subfolder for each digit (default data/own/drawn)",
    )
    add_port(parser, default=5002)


def run(arguments: argparse.Namespace) -> None:
    """Serve the page until interrupted."""
    model, folder, port = arguments.model, arguments.folder, arguments.port
    check_port_is_free(port)
    if folder.exists() and not folder.is_dir():
        raise BadInput(f"--folder {folder} is a file: allowed is a folder, or a new name for one.")
    os.environ["TQDM_DELAY"] = "3600"  # seconds: no progress bar for each drawing

    import uvicorn

    from digits.drawing.app import drawing_app

    app = drawing_app(open_reader(model), model, _shortest(folder))
    print(f"{model}: draw on http://127.0.0.1:{port} (Ctrl-C ends it)", flush=True)
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=port,
        http="h11",  # which bounds the head of a request
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=2,
    )


def _shortest(folder: Path) -> Path:
    """A folder as it is best shown, from where the command is called."""
    here = Path.cwd()
    return folder.relative_to(here) if folder.is_relative_to(here) else folder
