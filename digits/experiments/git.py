"""What this project asks of git."""

from pathlib import Path

ROOT = (
    Path(__file__).resolve().parents[2]
)  # of the repository: its params.yaml, dvc.yaml and dvc.lock
