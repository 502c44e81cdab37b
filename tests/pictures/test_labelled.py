"""Folders of labelled pictures: what is found in them, and what is refused."""

from pathlib import Path

import pytest

from digits.common.errors import BadInput
from digits.pictures.labelled import find_labelled, find_parts, label_of


def touch(folder: Path, *names: str) -> None:
    """Make files that are no pictures: nobody opens them here."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name, encoding="utf-8")


def test_the_files_of_each_digit_are_found_in_natural_order(tmp_path: Path) -> None:
    touch(tmp_path, "7/10.png", "7/2.png", "7/ä.png", "0/no_suffix", "0/a\nb.png", "7/deep/1.png")
    found = find_labelled(tmp_path)
    names = [file.relative_to(tmp_path).as_posix() for file in found.files]
    assert names == ["0/a\nb.png", "0/no_suffix", "7/2.png", "7/10.png", "7/deep", "7/ä.png"]
    assert [label_of(file) for file in found.files] == [0, 0, 7, 7, 7, 7]
    assert found.strays == [] and found.missing == list("12345689")


def test_what_desktops_and_editors_leave_is_nobodys(tmp_path: Path) -> None:
    clutter = (
        ".DS_Store",
        "Thumbs.db",
        "desktop.ini",
        "._a.png",
        "a.png~",
        "#a.png#",
        ".gitignore",
    )
    touch(tmp_path, "3/a.png", *clutter, *(f"3/{name}" for name in clutter))
    found = find_labelled(tmp_path)
    assert found.files == [tmp_path / "3" / "a.png"] and found.strays == []


def test_what_has_no_label_is_named(tmp_path: Path) -> None:
    touch(tmp_path, "3/a.png", "03/a.png", "ten/a.png", "a.png", "4")
    strays = [path.name for path in find_labelled(tmp_path).strays]
    assert strays == ["03", "4", "a.png", "ten"], "a file is no subfolder of a digit"


@pytest.mark.parametrize("names", [[], ["three/a.png"], ["a.png"], [".hidden/1/a.png"]])
def test_a_folder_without_labels_is_refused(tmp_path: Path, names: list[str]) -> None:
    touch(tmp_path, *names)
    (tmp_path / "5").mkdir()
    with pytest.raises(BadInput, match="has no pictures in subfolders named 0 to 9: allowed is a"):
        find_labelled(tmp_path)


def test_what_is_no_folder_is_refused_on_one_line(tmp_path: Path) -> None:
    touch(tmp_path, "a.png")
    with pytest.raises(BadInput, match=r"a\.png is no folder: allowed is a folder with"):
        find_parts(tmp_path / "a.png")
    with pytest.raises(BadInput, match=r"no\\nwhere is not there: allowed is a folder with"):
        find_labelled(tmp_path / "no\nwhere")


def test_train_and_test_are_found(tmp_path: Path) -> None:
    touch(tmp_path, "3/a.png")
    assert find_parts(tmp_path) is None
    touch(tmp_path, "mine/train/3/a.png", "mine/test/3/b.png", "mine/.gitignore")
    assert find_parts(tmp_path / "mine") == (tmp_path / "mine/train", tmp_path / "mine/test")


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["train/3/a.png"], "train is there and .*test is not: allowed are both"),
        (["test/3/a.png"], "test is there and .*train is not: allowed are both"),
        (
            ["train/3/a.png", "test/3/b.png", "3/a.png", "notes.txt"],
            "3, .*notes.txt cannot be beside the subfolders train and test",
        ),
        (["train/a.png", "test/3/b.png"], "train has no pictures in subfolders named 0 to 9"),
    ],
)
def test_parts_that_do_not_fit_are_refused(tmp_path: Path, names: list[str], sentence: str) -> None:
    touch(tmp_path, *names)
    with pytest.raises(BadInput, match=sentence):
        find_parts(tmp_path)


def test_a_copy_of_a_training_picture_is_no_test_picture(tmp_path: Path) -> None:
    touch(tmp_path, "train/3/a.png", "train/4/a.png", "test/3/c.png")
    (tmp_path / "test" / "3" / "b.png").write_bytes((tmp_path / "train/4/a.png").read_bytes())
    with pytest.raises(BadInput, match=r"train/4/a\.png and .*test/3/b\.png are the same picture"):
        find_parts(tmp_path)
