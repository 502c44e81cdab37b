"""`python -m digits evaluate`: the score on labelled pictures, and what cannot be scored."""

import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from digits.__main__ import main
from digits.commands import evaluate, readers
from digits.data.dataset import DataSet, save_raw
from digits.metrics.intervals import wilson_interval
from digits.models.persistence import save_model
from digits.pictures.handwriting import extract_digit
from tests.drawn import encoded
from tests.labelled import draw_folder
from tests.reading import LEARN, save_svm, write_picture, y
from tests.small import IMAGES, LABELS, learned

N = 40


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a model of the ten digits; whether it is dvc.lock's is not asked here."""
    save_svm(tmp_path / "models")
    for module in (readers, evaluate):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(readers, "workspace_target", lambda: "digit")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def predicted(capsys: pytest.CaptureFixture[str], *patterns: str) -> dict[str, int]:
    """What `predict` says of some pictures, by their paths."""
    main(["predict", *patterns, "--json"])
    lines = map(json.loads, capsys.readouterr().out.splitlines())
    return {line["path"]: line["digit"] for line in lines if "digit" in line}


@pytest.mark.usefixtures("workspace")
class TestScore:
    def test_is_that_of_predict(self, capsys: pytest.CaptureFixture[str]) -> None:
        files = draw_folder(Path("mine"), range(100))
        answers = predicted(capsys, "mine/*/*")
        assert len(answers) == len(files) == 100
        wrong = {name for name, digit in answers.items() if digit != int(Path(name).parent.name)}
        assert 0 < len(wrong) < 20
        assert main(["evaluate", "mine", "--json", "--confidence", "0.8"]) == 0
        values = json.loads(capsys.readouterr().out)
        low, high = wilson_interval(100 - len(wrong), 100, 0.8)
        assert (values["n"], values["errors"], values["refused"]) == (100, len(wrong), 0)
        assert values["accuracy"] == 1 - len(wrong) / 100
        assert (values["accuracy_low"], values["accuracy_high"]) == (low, high)
        assert {mistake["path"] for mistake in values["mistakes"]} == wrong
        surest = [mistake["probability"] for mistake in values["mistakes"]]
        assert surest == sorted(surest, reverse=True)
        confusion = np.zeros((10, 10), int)
        for name, digit in answers.items():
            confusion[int(Path(name).parent.name), digit] += 1
        assert values["confusion"] == confusion.tolist()

    def test_is_printed_with_a_table_and_a_picture(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        draw_folder(Path("mine"), range(N))
        assert main(["evaluate", "mine", "--json", "--mistakes", "seen.png"]) == 0
        values = json.loads(capsys.readouterr().out)
        assert main(["evaluate", "mine"]) == 0
        printed = capsys.readouterr()
        headline, _, header, *rows, _, last = printed.out.splitlines()
        right = f"{100 * values['accuracy']:.2f} % of {N} pictures are read right (95 % interval"
        assert headline.startswith(f"mine: {right} ") and printed.err == ""
        assert values["errors"] == 1
        assert headline.endswith(": 1 error. Not scored: 0.")
        assert header.split() == ["is,", "read", "as", *map(str, range(10))]
        cells = [[int(cell.replace(".", "0")) for cell in row.split()] for row in rows]
        assert cells == [[digit, *line] for digit, line in enumerate(values["confusion"])]
        assert last == "mistakes.png shows the mistakes."
        assert Path("mistakes.png").read_bytes() == Path("seen.png").read_bytes()
        assert imread("mistakes.png").shape[1] > 400

    def test_without_mistakes_says_so(self, capsys: pytest.CaptureFixture[str]) -> None:
        draw_folder(Path("mine"), range(9))
        assert main(["evaluate", "mine"]) == 0
        assert "100.00 % of 9 pictures" in capsys.readouterr().out
        assert Path("mistakes.png").exists()

    def test_is_of_the_pictures_in_test(self, capsys: pytest.CaptureFixture[str]) -> None:
        for part, numbers in (("train", range(20)), ("test", range(20, 25))):
            draw_folder(Path("mine", part), numbers)
        assert main(["evaluate", "mine"]) == 0
        assert capsys.readouterr().out.startswith(f"{Path('mine/test')}: ")
        assert main(["evaluate", "mine/train", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["n"] == 20

    def test_counts_what_cannot_be_scored_apart(self, capsys: pytest.CaptureFixture[str]) -> None:
        draw_folder(Path("mine"), range(10))
        Path("mine/3/blank.png").write_bytes(encoded(np.full((50, 50), 200)))
        Path("mine/3/a\nb.png").write_bytes(b"")
        Path("mine/ten").mkdir()
        Path("mine/3/more").mkdir()
        write_picture(Path("mine/notes/1.png"), 1)
        assert main(["evaluate", "mine", "--json"]) == 1
        printed = capsys.readouterr()
        values = json.loads(printed.out)
        assert (values["n"], values["refused"], len(values["not_scored"])) == (10, 5, 5)
        notes, ten, line_feed, empty, *sentences, count = printed.err.splitlines()
        assert notes.endswith(
            "mine/notes is in none of the subfolders 0 to 9, and so has no label."
        )
        assert "mine/ten is in none" in ten and r"mine/3/a\nb.png is no picture" in line_feed
        assert "3/blank.png holds no ink" in empty and "3/more is a folder" in sentences[0]
        assert count.startswith("digits: 5 not scored: ") and r"a\nb.png" in count

    def test_says_what_the_model_learned_from(
        self, capsys: pytest.CaptureFixture[str], workspace: Path
    ) -> None:
        files = draw_folder(Path("mine"), range(10))
        images = np.stack([extract_digit(file, 8) for file in files])
        raw = DataSet(images, np.zeros(10, np.uint8), n_train=10)
        for folder in ("raw", "split"):
            (workspace / "data" / folder).mkdir(parents=True)
        save_raw(raw, workspace / "data" / "raw")
        fold = np.array([-1, -1, -2, 0, 1, 0, 1, 0, 1, 0], np.int8)
        np.save(workspace / "data" / "split" / "fold.npy", fold)
        assert main(["evaluate", "mine"]) == 0
        assert "the model learned from 8 of these pictures" in capsys.readouterr().err

    def test_of_a_yes_or_no_names_both(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        model = learned("knn", IMAGES[LEARN], LABELS[LEARN] == 5)
        save_model(model, Path("models/model.skops"))
        monkeypatch.setattr(readers, "workspace_target", lambda: 5)
        draw_folder(Path("mine"), range(N))
        assert main(["evaluate", "mine", "--json"]) == 0
        (no, maybe), (missed, yes) = json.loads(capsys.readouterr().out)["confusion"]
        assert missed + yes == np.count_nonzero(y[:N] == 5) and no + maybe + missed + yes == N
        assert main(["evaluate", "mine"]) == 0
        assert "is, read as  not 5" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["no"], "no is not there: allowed is a folder with a subfolder of pictures for each"),
        (["models/model.skops"], "is no folder: allowed is"),
        (["empty"], "empty has no pictures in subfolders named 0 to 9: allowed is"),
        (["mine", "--mistakes", "no/seen.png"], "--mistakes no/seen.png cannot be written"),
        (["mine", "--confidence", "2"], "--confidence is '2', allowed is"),
        (["mine", "--champion"], "there is no champion yet"),
        (["mine", "--model", "nobody"], "nobody is no run here"),
    ],
)
def test_what_cannot_be_evaluated_is_a_sentence(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    arguments: list[str], sentence: str,
) -> None:  # fmt: skip
    (workspace / "empty").mkdir()
    draw_folder(workspace / "mine", [0])
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{workspace / 'runs.db'}")
    assert main(["evaluate", *arguments]) == 1
    printed = capsys.readouterr()
    assert printed.err.startswith("digits: ") and sentence in printed.err
    assert printed.err.count("\n") == 1 and printed.out == ""
    assert not (workspace / "mistakes.png").exists()
