"""Reading pictures of every kind: the digits, their probabilities, and what cannot be read."""

import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.TiffImagePlugin import AppendingTiffWriter
from scipy.special import expit, softmax

from digits.common.errors import BadInput
from digits.common.files import write_json
from digits.inference.reader import Answer, Reader, load_reader
from digits.models.persistence import save_model, save_versions
from digits.pictures import photo
from digits.pictures.handwriting import extract_digit
from digits.pictures.paths import natural_key, picture_files
from tests.drawn import kinds
from tests.imports import ROOT
from tests.reading import HELD_OUT, LEARN, SVM, X, predictions_of, save_svm, write_picture, y
from tests.small import IMAGES, LABELS, learned

KNN = learned("knn", IMAGES[LEARN], LABELS[LEARN])
FIVES = learned("svm", IMAGES[LEARN], LABELS[LEARN] == 5)
KINDS = kinds(16)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A folder with the SVM and its validation."""
    return save_svm(tmp_path / "models")


@pytest.mark.slow
def test_pictures_of_every_kind_are_read_as_well_as_the_images_they_were_made_from() -> None:
    """Eight of each kind: the model reads 95 % of the images themselves."""
    reader = Reader(SVM, None, "digit")
    rng = np.random.default_rng(0)
    wrong, n = [], 0
    for name, make in KINDS.items():
        some = rng.choice(len(X), 8, replace=False)
        for i in some:
            try:
                found = extract_digit(make(np.pad(X[i], 1), rng), 8)
            except BadInput as error:
                wrong.append(f"{name}: of a {y[i]}, {error}")
                continue
            ((digit, _),) = reader.predict(found[None])
            if digit != y[i]:
                wrong.append(f"{name}: a {y[i]} read as {digit}")
        n += len(some)
    assert n >= 240 and len(wrong) <= 0.12 * n, f"{len(wrong)} of {n} wrong:\n" + "\n".join(wrong)
    for name in KINDS:
        assert sum(line.startswith(f"{name}:") for line in wrong) <= 4, f"{name}:\n" + "\n".join(
            wrong
        )


def test_the_model_s_own_probability_is_taken() -> None:
    expected = KNN.predict_proba(IMAGES[HELD_OUT])
    predicted = Reader(KNN, None, "digit").predict(X)
    assert [digit for digit, _ in predicted] == expected.argmax(axis=1).tolist()
    assert [probability for _, probability in predicted] == pytest.approx(expected.max(axis=1))


def test_a_model_by_other_libraries_is_said(
    models: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = Path(shutil.copy(models / "model.skops", tmp_path))
    save_versions(tmp_path / "versions.json", "scikit-learn")
    load_reader(model, None, "digit")
    assert not caplog.messages
    write_json(tmp_path / "versions.json", {"numpy": "1.0", "scipy": version("scipy")})
    load_reader(model, None, "digit")
    (said,) = caplog.messages
    assert f"made by numpy 1.0 (installed is {version('numpy')}):" in said


@pytest.mark.parametrize("content", [b"", b"numpy", b"[1]", b"\xff"])
def test_damaged_versions_of_a_model_are_named(
    models: Path, tmp_path: Path, content: bytes
) -> None:
    model = Path(shutil.copy(models / "model.skops", tmp_path))
    (tmp_path / "versions.json").write_bytes(content)
    with pytest.raises(BadInput, match=r"versions\.json .* `dvc repro` makes it again"):
        load_reader(model, None, "digit")


def test_scores_become_probabilities_by_validation(models: Path) -> None:
    reader = load_reader(models / "model.skops", models / "validation", "digit")
    assert reader.calibration and reader.side == 8
    predicted = reader.predict(X)
    expected = softmax(reader.calibration.slope * SVM.decision_function(IMAGES[HELD_OUT]), axis=1)
    assert [probability for _, probability in predicted] == pytest.approx(expected.max(axis=1))
    assert np.mean([probability for _, probability in predicted]) == pytest.approx(
        SVM.score(IMAGES[HELD_OUT], y), abs=0.05
    )


@pytest.mark.parametrize("folder", [None, Path("nothing")])
def test_without_validation_there_is_no_probability(models: Path, folder: Path | None) -> None:
    reader = load_reader(models / "model.skops", folder, "digit")
    assert [probability for _, probability in reader.predict(X[:5])] == [None] * 5
    assert not reader.has_probabilities and reader.labels == list(range(10))
    scores = SVM.decision_function(IMAGES[HELD_OUT][:5])
    predicted, values = reader.classify(X[:5])
    assert values == pytest.approx(scores)
    assert np.array_equal(predicted, scores.argmax(axis=1))


def test_a_yes_or_no_is_named_by_its_digit(tmp_path: Path) -> None:
    save_model(FIVES, tmp_path / "model.skops")
    predictions_of(FIVES, y == 5).save(tmp_path / "validation")
    reader = load_reader(tmp_path / "model.skops", tmp_path / "validation", 5)
    predicted, scores = reader.predict(X), FIVES.decision_function(IMAGES[HELD_OUT])
    assert [digit for digit, _ in predicted] == ["5" if score > 0 else "not 5" for score in scores]
    assert reader.calibration
    yes = expit(reader.calibration.slope * scores + reader.calibration.offset)
    assert [probability for _, probability in predicted] == pytest.approx(
        np.where(scores > 0, yes, 1 - yes)
    )
    assert reader.labels == ["not 5", "5"]
    columns, values = reader.classify(X)
    assert np.array_equal(columns, scores > 0) and values == pytest.approx(np.c_[1 - yes, yes])
    columns, values = Reader(FIVES, None, 5).classify(X)
    assert np.array_equal(columns, scores > 0)
    assert values == pytest.approx(np.c_[-scores, scores])


def test_a_model_that_is_not_there_or_answers_another_question_is_one_sentence(
    models: Path, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match=r"is not there: `dvc repro` makes it, `dvc pull` brings it"):
        load_reader(tmp_path / "no.skops", None, "digit")
    with pytest.raises(BadInput, match="does not answer with yes or no, as target 5 asks for"):
        load_reader(models / "model.skops", None, 5)
    save_model(FIVES, tmp_path / "fives.skops")
    with pytest.raises(BadInput, match="does not answer with one of the ten digits"):
        load_reader(tmp_path / "fives.skops", None, "digit")
    save_model(learned("knn", IMAGES[LEARN, :60], LABELS[LEARN]), tmp_path / "flat.skops")
    with pytest.raises(BadInput, match="reads images of 60 pixels, allowed are square ones"):
        load_reader(tmp_path / "flat.skops", None, "digit")
    (models / "validation" / "scores.npy").write_bytes(b"")
    with pytest.raises(BadInput, match="cannot be read as a model's predictions in validation"):
        load_reader(models / "model.skops", models / "validation", "digit")


def test_names_are_files_folders_and_patterns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("10.png", "2.PNG", "a.jpeg", "notes.txt", "[1].png", "x.HEIC"):
        (tmp_path / name).touch()
    for name in (".hidden.png", ".DS_Store", "._2.PNG", "Thumbs.db", "desktop.ini", "~$notes.doc"):
        (tmp_path / name).touch()
    (tmp_path / "empty").mkdir()
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "3.png").touch()
    monkeypatch.chdir(tmp_path)

    def found(*names: str) -> list[str]:
        return [path.as_posix() for path in picture_files(names)]

    everything = ["2.PNG", "10.png", "[1].png", "a.jpeg", "deep", "empty", "notes.txt", "x.HEIC"]
    assert found(".") == found("*") == everything
    assert [name for name in found("**") if "deep" in name] == ["deep/3.png"]
    assert found("*.png", "deep/*") == ["10.png", "[1].png", "deep/3.png"]
    assert found(str(tmp_path / "*.jpeg")) == [(tmp_path / "a.jpeg").as_posix()]
    as_they_are = ["[1].png", "notes.txt", "no.png", "no*.png", "empty"]
    assert found(*as_they_are) == as_they_are
    assert sorted(map(Path, ["x10", "x9", "x09b", "X1"]), key=natural_key) == [
        Path(name) for name in ("X1", "x9", "x09b", "x10")
    ]


@pytest.mark.parametrize("kind", ["tiff", "gif", "webp", "avif", "png"])
def test_every_page_is_answered(tmp_path: Path, kind: str) -> None:
    whole = tmp_path / f"pages.{kind}"
    pages = [Image.open(write_picture(tmp_path / f"{i}.png", i)).convert("RGB") for i in range(10)]
    pages[0].save(whole, save_all=True, append_images=pages[1:], quality=100)
    reader = Reader(SVM, None, "digit")
    answers = list(reader.read([whole]))
    assert [answer.digit for answer in answers] == [digit for digit, _ in reader.predict(X[:10])]
    assert [answer.name for answer in answers] == [f"{whole}[{page}]" for page in range(1, 11)]
    assert [answer.page for answer in reader.read([whole], batch=3)] == list(range(1, 11))
    (alone,) = reader.read([tmp_path / "0.png"])
    assert (alone.page, alone.name) == (None, str(tmp_path / "0.png"))


def test_a_page_that_cannot_be_read_stops_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = [Image.open(write_picture(tmp_path / f"{i}.png", i)).convert("RGB") for i in range(4)]
    pages[1] = Image.new("RGB", pages[0].size, "white")
    pages[0].save(tmp_path / "pages.tiff", save_all=True, append_images=pages[1:])
    first, blank, third, fourth = Reader(SVM, None, "digit").read([tmp_path / "pages.tiff"])
    assert not any(answer.error for answer in (first, third, fourth))
    assert blank.error and "pages.tiff[2] holds no ink" in blank.error
    monkeypatch.setattr(photo, "MAX_PAGES", 3)
    *_, last = Reader(SVM, None, "digit").read([tmp_path / "pages.tiff"])
    assert last.error and "1 further pages of" in last.error and "were not read" in last.error


def test_a_picture_in_several_forms_is_one_page(tmp_path: Path) -> None:
    """A camera's preview in its JPEG, a thumbnail in a TIFF."""
    large = Image.open(write_picture(tmp_path / "0.png", 0)).convert("RGB")
    small = large.resize((30, 30))
    large.save(tmp_path / "camera.jpg", "MPO", save_all=True, append_images=[small])
    with AppendingTiffWriter(tmp_path / "scan.tif", new=True) as writer:
        large.save(writer, "TIFF")
        writer.newFrame()
        small.save(writer, "TIFF", tiffinfo={254: 1})
    with Image.open(tmp_path / "scan.tif") as scan:
        assert scan.n_frames == 2  # type: ignore[attr-defined]
    for name in ("camera.jpg", "scan.tif"):
        (answer,) = Reader(SVM, None, "digit").read([tmp_path / name])
        assert answer.page is None and answer.digit is not None


def test_pages_are_counted_without_a_thumbnail(tmp_path: Path) -> None:
    """Also in what is said of them."""
    large = Image.open(write_picture(tmp_path / "0.png", 0)).convert("RGB")
    with AppendingTiffWriter(tmp_path / "scan.tif", new=True) as writer:
        large.resize((30, 30)).save(writer, "TIFF", tiffinfo={254: 1})
        for page in (large, Image.new("RGB", (200, 200), "white")):
            writer.newFrame()
            page.save(writer, "TIFF")
    digit, blank = Reader(SVM, None, "digit").read([tmp_path / "scan.tif"])
    assert (digit.page, blank.page) == (1, 2) and not digit.error
    assert blank.error and "scan.tif[2] holds no ink" in blank.error


def test_batches_change_nothing(tmp_path: Path) -> None:
    paths = [write_picture(tmp_path / f"{number}.png", number) for number in range(7)]
    paths.insert(3, tmp_path / "no.png")
    reader = Reader(KNN, None, "digit")
    whole, single = list(reader.read(paths)), list(reader.read(paths, batch=1))
    assert [answer.path for answer in whole] == paths and [
        bool(answer.error) for answer in whole
    ] == [i == 3 for i in range(8)]
    for a, b in zip(whole, single, strict=True):
        assert (a.digit, a.probability, a.error) == (b.digit, b.probability, b.error)


@pytest.mark.slow
def test_memory_is_flat(models: Path, tmp_path: Path) -> None:
    """Four times as many pictures take hardly more: as many are in memory at once."""
    picture = Image.open(write_picture(tmp_path / "0.png", 0)).resize((200, 200))
    folder = tmp_path / "many"
    folder.mkdir()
    picture.save(folder / "0.png")
    for number in range(1, 400):
        os.link(folder / "0.png", folder / f"{number}.png")
    code = """
import sys; from pathlib import Path
from digits.common.resources import peak_memory
from digits.pictures.paths import pictures_in
from digits.inference.reader import load_reader
models, folder, n = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
reader = load_reader(models / "model.skops", None, "digit")
assert sum(answer.digit is not None for answer in reader.read(pictures_in(folder)[:n])) == n
print(peak_memory())
"""
    small, large = (
        float(
            subprocess.check_output(
                [sys.executable, "-c", code, str(models), str(folder), n], cwd=ROOT, text=True
            )
        )
        for n in ("100", "400")
    )
    assert large < small + 60


def test_an_answer_is_an_answer_or_an_error() -> None:
    assert Answer(Path("x"), error="no").digit is None and Answer(Path("x"), 3, 0.5).error is None
