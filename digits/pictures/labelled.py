"""Folders of labelled pictures: a subfolder for each digit, `train/` and `test/` above them if any.

scikit-learn's `load_files` and torchvision's `ImageFolder` read folders of this form.
"""

from dataclasses import dataclass
from pathlib import Path

from digits.common.errors import BadInput
from digits.common.files import file_sha256
from digits.common.text import name_some, printable
from digits.pictures.paths import visible

DIGITS = tuple(map(str, range(10)))

MAX_NAMED = 5  # files, in a sentence

_FORM = "allowed is a folder with a subfolder of pictures for each digit"


@dataclass(frozen=True)
class LabelledPictures:
    """The files of a folder of labelled pictures.

    Attributes
    ----------
    files : list of Path
        Those in subfolders 0 to 9, digit by digit, in natural order. Whoever opens one finds out
        whether it is a picture.
    strays : list of Path
        What lies beside these subfolders, so that it has no label.
    """

    files: list[Path]
    strays: list[Path]

    @property
    def missing(self) -> list[str]:
        """The digits without a file."""
        there = {file.parent.name for file in self.files}
        return [digit for digit in DIGITS if digit not in there]


def label_of(file: Path) -> int:
    """The digit that a file of `LabelledPictures` is labelled with: its folder's name."""
    return int(file.parent.name)


def find_labelled(folder: Path) -> LabelledPictures:
    """List the labelled pictures in a folder, but for hidden files and what desktops leave.

    Parameters
    ----------
    folder : Path
        With subfolders 0 to 9, of which some may be missing.

    Raises
    ------
    BadInput
        When it is no folder, may not be read, or holds no file in any such subfolder.
    """
    content = _list(folder)
    digits = [path for path in content if path.name in DIGITS and path.is_dir()]
    strays = [path for path in content if path not in digits]
    files = [file for digit in digits for file in _list(digit)]
    if not files:
        raise BadInput(f"{_shown(folder)} has no pictures in subfolders named 0 to 9: {_FORM}.")
    return LabelledPictures(files, strays)


def find_parts(folder: Path) -> tuple[Path, Path] | None:
    """Return the subfolders train and test of a folder of labelled pictures, or None without them.

    Raises
    ------
    BadInput
        When only one of them is there, something lies beside them, or a file is in both.
    """
    parts = folder / "train", folder / "test"
    content = _list(folder)
    there = [part for part in parts if part in content]
    if not there:
        return None
    if len(there) == 1:
        (other,) = set(parts) - {*there}
        raise BadInput(
            f"{_shown(there[0])} is there and {_shown(other)} is not: allowed are both, or "
            "neither and the subfolders 0 to 9 in their place."
        )
    if beside := [path for path in content if path not in parts]:
        raise BadInput(
            f"{name_some(beside, MAX_NAMED)} cannot be beside the subfolders train and test: "
            "allowed is nothing else there."
        )
    _check_apart(*parts)
    return parts


def _check_apart(train: Path, test: Path) -> None:
    """Check that no test picture is a copy of a training picture: it would not be held out."""
    learned = {digest: file for file in find_labelled(train).files if (digest := _digest(file))}
    for file in find_labelled(test).files:
        if copy := learned.get(_digest(file)):
            raise BadInput(
                f"{_shown(copy)} and {_shown(file)} are the same picture: allowed is each in train "
                "or in test, as what was learned says nothing of how other pictures are read."
            )


def _digest(file: Path) -> str:
    """The SHA-256 of a file; empty if it cannot be read, of which its reader says more."""
    try:
        return file_sha256(file) if file.is_file() else ""
    except OSError:
        return ""


def _shown(name: Path | str) -> str:
    return printable(str(name))


def _list(folder: Path) -> list[Path]:
    """All that is directly in a folder, in natural order, but for what is nobody's data."""
    try:
        return visible(folder.iterdir())
    except FileNotFoundError as error:
        raise BadInput(f"{_shown(folder)} is not there: {_FORM}.") from error
    except NotADirectoryError as error:
        raise BadInput(f"{_shown(folder)} is no folder: {_FORM}.") from error
    except OSError as error:
        raise BadInput(f"{_shown(folder)} cannot be read ({error.strerror}): {_FORM}.") from error
