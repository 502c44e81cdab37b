"""What the report shows of DVC's plots and of the PNG files in plots/."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from vl_convert import javascript_bundle

from digits.common.dvc_yaml import parse_yaml
from digits.common.errors import BadInput

VEGA_LITE = "5.21"  # DVC's plots are written for the fifth

_DRAW = Path(__file__).parent / "templates" / "report.js"


def read_plots(root: Path) -> tuple[dict[str, Any], list[str]]:
    """DVC's plots of the workspace.

    Returns
    -------
    plots : dict
        Vega-Lite specifications by name, without those that have no data.
    not_loaded : list of str
        The names of those that DVC could not load.

    Raises
    ------
    BadInput
        When `dvc plots show` fails.
    """
    with TemporaryDirectory() as folder:  # DVC copies images there, even for JSON
        command = [sys.executable, "-m", "dvc", "plots", "show", "--json", "-o", folder]
        environment = os.environ | {"DVC_NO_ANALYTICS": "1"}
        done = subprocess.run(
            command, cwd=root, env=environment, capture_output=True, text=True, check=False
        )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise BadInput(f"`dvc plots show` failed in {root}: {reason}")
    answer = json.loads(done.stdout)
    # A file that a plot of dvc.yaml draws, DVC draws once more by itself, line by line: that says
    # nothing new.
    sources = _sources_of_named_plots(root)
    plots = {
        name: version["content"]
        for name, versions in answer.get("data", {}).items()
        for version in versions
        if name not in sources and version["type"] == "vega"
    }
    failed = dict.fromkeys(error.get("name", "dvc.yaml") for error in answer.get("errors", []))
    return plots, [name for name in failed if name not in plots and name not in sources]


def _sources_of_named_plots(root: Path) -> set[str]:
    plots = parse_yaml((root / "dvc.yaml").read_text(encoding="utf-8"), "dvc.yaml").get("plots", [])
    y_axes = [
        properties.get("y")
        for plot in plots
        if isinstance(plot, Mapping)
        for properties in plot.values()
        if properties
    ]
    return {file for y in y_axes if isinstance(y, Mapping) for file in y}


def plot_script() -> str:
    """The JavaScript that draws the plots of the page, Vega included."""
    script = javascript_bundle(_DRAW.read_text(encoding="utf-8"), vl_version=VEGA_LITE)
    return script.replace("</script", r"<\/script")


def embedded_pictures(root: Path) -> list[tuple[str, str]]:
    """The PNG files in plots/ and plots/pictures/: a caption, and the file in Base64."""
    plots = root / "plots"
    files = [*sorted(plots.glob("*.png")), *sorted((plots / "pictures").glob("*.png"))]
    return [
        (
            file.stem.replace("_", " ").capitalize(),
            base64.b64encode(file.read_bytes()).decode(),
        )
        for file in files
    ]
