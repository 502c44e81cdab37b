"""A person's own pictures as a data set, and as extra pictures for training."""

import json
import logging
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from digits.common.errors import BadInput
from digits.data.dataset import DataSet, open_raw, save_raw
from digits.data.fetching import add_extra, fetch_dataset
from digits.data.loaders import digits_8x8
from digits.pictures.handwriting import extract_digit
from tests.drawn import encoded
from tests.idx_files import ALL
from tests.reading import write_picture, y

OWN = Path("data/own")
MINE = OWN / "mine"
FIRST = [int(np.flatnonzero(y == digit)[0]) for digit in range(10)]  # a picture of each digit
SECOND = [int(np.flatnonzero(y == digit)[1]) for digit in range(10)]


def write(folder: Path, numbers: list[int]) -> list[Path]:
    """Write some of the images held out as labelled pictures."""
    (folder / "0").mkdir(parents=True, exist_ok=True)
    return [write_picture(folder / str(y[n]) / f"{n}.png", n) for n in numbers]


def fetch(folder: Path = MINE) -> DataSet:
    return fetch_dataset(f"images:{folder}", None, OWN)


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two pictures of each digit in data/own/mine."""
    monkeypatch.chdir(tmp_path)
    write(MINE, FIRST + SECOND)
    return MINE


@pytest.mark.usefixtures("mine")
class TestDataSet:
    @pytest.mark.parametrize("threads", ["1", "2"])
    def test_has_the_images_that_predict_makes(
        self, monkeypatch: pytest.MonkeyPatch, threads: str
    ) -> None:
        monkeypatch.setenv("DIGITS_THREADS", threads)
        numbers = [n for pair in zip(FIRST, SECOND, strict=True) for n in sorted(pair)]
        expected = [extract_digit(MINE / str(y[n]) / f"{n}.png", 28) for n in numbers]
        data = fetch()
        np.testing.assert_array_equal(data.images, np.stack(expected), strict=True)
        np.testing.assert_array_equal(data.labels, np.repeat(np.arange(10, dtype=np.uint8), 2))
        assert data.labels.dtype == np.uint8 and (data.n_train, data.n_extra) == (20, 0)

    def test_has_test_images_if_the_folder_has(self) -> None:
        parts = write(OWN / "two" / "train", FIRST), write(OWN / "two" / "test", SECOND[:10])
        data = fetch(OWN / "two")
        assert data.n_train == 10
        expected = [extract_digit(file, 28) for part in parts for file in part]
        np.testing.assert_array_equal(data.images, np.stack(expected))
        np.testing.assert_array_equal(data.labels, [*range(10), *range(10)])

    def test_has_an_image_for_each_page(self) -> None:
        pages = [Image.open(MINE / "3" / f"{n}.png") for n in (FIRST[3], SECOND[3])]
        pages[0].save(MINE / "3" / "z.tiff", save_all=True, append_images=pages[1:])
        data = fetch()
        assert np.bincount(data.labels).tolist() == [2, 2, 2, 4, 2, 2, 2, 2, 2, 2]
        np.testing.assert_array_equal(np.sort(data.images[6:8], 0), np.sort(data.images[8:10], 0))

    def test_can_be_pinned(self) -> None:
        pinned = fetch().sha256
        assert fetch_dataset(f"images:{MINE}", pinned, OWN).sha256 == pinned
        shutil.move(MINE / "3" / f"{FIRST[3]}.png", MINE / "4" / "moved.png")
        with pytest.raises(BadInput, match=f"allowed is the pinned {pinned}"):
            fetch_dataset(f"images:{MINE}", pinned, OWN)

    def test_may_be_of_links_to_files_with_any_names(self, tmp_path: Path) -> None:
        before = fetch()
        elsewhere = tmp_path / "elsewhere"
        shutil.move(MINE, elsewhere)
        for number, file in enumerate(sorted(elsewhere.rglob("*.png"))):
            (MINE / file.parent.name).mkdir(parents=True, exist_ok=True)
            (MINE / file.parent.name / f"ü\n{number:02}.HEIC").symlink_to(file)
        after = fetch()
        assert sorted(image.tobytes() for image in after.images) == sorted(
            image.tobytes() for image in before.images
        )

    def test_of_links_to_folders_is_refused(self, tmp_path: Path) -> None:
        shutil.move(MINE / "3", tmp_path / "three")
        (MINE / "3").symlink_to(tmp_path / "three")
        with pytest.raises(BadInput, match=f"^{MINE}/3 is a link to a folder, in which DVC"):
            fetch()


def blank(folder: Path) -> None:
    (folder / "3" / "blank.png").write_bytes(encoded(np.full((50, 50), 200)))


def damaged(folder: Path) -> None:
    content = (folder / "3" / f"{FIRST[3]}.png").read_bytes()
    for number in range(7):
        (folder / "3" / f"half {number}.png").write_bytes(content[:200])


def two_digits(folder: Path) -> None:
    one = np.asarray(Image.open(folder / "3" / f"{FIRST[3]}.png").convert("L"))
    (folder / "1" / "two.png").write_bytes(encoded(np.hstack([one, one])))


def without_digits(folder: Path, digits: str) -> None:
    for digit in digits:
        shutil.rmtree(folder / digit)


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "no ink": (blank, "of 21 pictures, 1 cannot be used (data/own/mine/3/blank.png), so none was"),
    "damaged": (
        damaged,
        "of 27 pictures, 7 cannot be used (data/own/mine/3/half 0.png, "
        "data/own/mine/3/half 1.png, data/own/mine/3/half 2.png, data/own/mine/3/half 3.png, "
        "data/own/mine/3/half 4.png and 2 more), so none was",
    ),
    "two digits": (two_digits, "1 cannot be used (data/own/mine/1/two.png)"),
    "a folder within": (lambda folder: (folder / "1" / "more").mkdir(), "data/own/mine/1/more)"),
    "no label": (lambda folder: (folder / "ten").mkdir(), "1 cannot be used (data/own/mine/ten)"),
    "a link to nothing": (
        lambda folder: (folder / "1" / "a\nb.png").symlink_to("nowhere"),
        r"1 cannot be used (data/own/mine/1/a\nb.png)",
    ),
    "digits missing": (
        lambda folder: without_digits(folder, "27"),
        "data/own/mine has no pictures of 2, 7: allowed is a data set with some of each digit",
    ),
    "nothing": (
        lambda folder: without_digits(folder, "0123456789"),
        "data/own/mine has no pictures in subfolders named 0 to 9",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_what_cannot_be_used_is_named_and_nothing_is_left_out(
    mine: Path, caplog: pytest.LogCaptureFixture, case: str
) -> None:
    damage, sentence = BROKEN[case]
    damage(mine)
    with caplog.at_level(logging.WARNING), pytest.raises(BadInput) as caught:
        fetch()
    assert sentence in str(caught.value) and "\n" not in str(caught.value)
    if counted := re.search(r"(\d+) cannot be used", sentence):
        assert len(caplog.messages) == int(counted[1]), "each has a sentence of its own"


class TestExtra:
    DATA = digits_8x8()

    def add(self, extra: str = f"images:{MINE}", dataset: str = "digits_8x8") -> DataSet:
        return add_extra(self.DATA, dataset, extra, OWN)

    def test_comes_after_all_others_in_their_form(self, mine: Path, tmp_path: Path) -> None:
        shutil.rmtree(mine / "0")  # not all digits must be there
        data = self.add()
        n = len(self.DATA.images)
        assert (len(data.images), data.n_train, data.n_extra) == (n + 18, self.DATA.n_train, 18)
        np.testing.assert_array_equal(data.images[:n], self.DATA.images, strict=True)
        np.testing.assert_array_equal(data.labels[:n], self.DATA.labels, strict=True)
        files = [mine / str(y[n]) / f"{n}.png" for n in sorted([FIRST[1], SECOND[1]])]
        expected = np.stack([extract_digit(file, 8) for file in files])
        np.testing.assert_array_equal(data.images[n : n + 2], expected)
        assert data.labels[n:].tolist() == np.repeat(np.arange(1, 10), 2).tolist()
        (tmp_path / "raw").mkdir()
        save_raw(data, tmp_path / "raw")
        opened = open_raw(tmp_path / "raw")
        assert (opened.sha256, opened.n_extra) == (data.sha256, 18)
        assert data.sha256 != DataSet(data.images, data.labels, data.n_train).sha256

    @pytest.mark.usefixtures("mine")
    def test_is_of_train_alone(self) -> None:
        write(OWN / "two" / "train", FIRST[:3])
        write(OWN / "two" / "test", SECOND)
        assert self.add(f"images:{OWN}/two").labels[-3:].tolist() == [0, 1, 2]

    @pytest.mark.parametrize("dataset", [MINE, OWN / "mine/", OWN / "mine" / "test"])
    @pytest.mark.usefixtures("mine")
    def test_of_the_data_sets_own_folder_is_refused(self, dataset: Path) -> None:
        with pytest.raises(BadInput, match="since test images must not be learned from"):
            self.add(dataset=f"images:{dataset}")

    @pytest.mark.usefixtures("mine")
    def test_elsewhere_or_beside_images_that_are_not_square_is_refused(self) -> None:
        with pytest.raises(
            BadInput, match=r"^fetch\.extra is 'images:elsewhere', allowed is a fold"
        ):
            self.add("images:elsewhere")
        with pytest.raises(BadInput, match="the images of idx:x have 5 x 4 pixels"):
            add_extra(DataSet(*ALL), "idx:x", f"images:{MINE}", OWN)


def test_without_extra_pictures_the_files_are_those_of_before(tmp_path: Path) -> None:
    save_raw(DataSet(*ALL), tmp_path)
    about = (tmp_path / "about.json").read_text(encoding="utf-8")
    assert list(json.loads(about)) == ["n_train", "sha256"]
    assert open_raw(tmp_path).n_extra == 0
