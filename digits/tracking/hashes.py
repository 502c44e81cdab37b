"""SHA-256 of a run's files, kept beside them: what is damaged in a store is named, and not used.

DVC compares what it brings from its remote (`verify`), MLflow compares nothing.
"""

from collections.abc import Mapping
from pathlib import Path

from digits.common.errors import BadInput
from digits.common.files import file_sha256, read_json, write_json

HASHES = "project/sha256.json"  # in a run's files

MODEL_NAME = "model"  # in it, the model's file, which MLflow keeps apart


def write_hashes(folder: Path, model: Path) -> None:
    """Write the hashes of a run's files into their folder, in which they lie as in the run."""
    files = {
        file.relative_to(folder).as_posix(): file_sha256(file)
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }
    (folder / HASHES).parent.mkdir(exist_ok=True)
    write_json(folder / HASHES, files | {MODEL_NAME: file_sha256(model)})


def check_hashes(run_name: str, hashes: Path, files: Mapping[str, Path]) -> None:
    """Check that files are those that were logged.

    Parameters
    ----------
    run_name : str
        Whose files, for the message.
    hashes : Path
        What `write_hashes` wrote; a run of an earlier version of this project has none.
    files : mapping
        The files on this machine, by their names in the run.

    Raises
    ------
    BadInput
        When a file is not the one that was logged.
    """
    if not hashes.exists():
        return
    try:
        logged = read_json(hashes)
        damaged = [
            name for name in files if logged.get(name) not in (None, file_sha256(files[name]))
        ]
    except BadInput:
        damaged = [HASHES]
    if damaged:
        raise BadInput(
            f"{', '.join(sorted(damaged))} of the run {run_name} is not what was logged: it was "
            "damaged where MLflow keeps files, so bring it back there, or take another run."
        )
