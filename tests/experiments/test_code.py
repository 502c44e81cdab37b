"""What keeps DVC from running experiments is said before they start."""

import pytest

from digits.common.errors import BadInput
from digits.experiments.code import check_experiments_can_run, select_code
from tests.scratch import Project


def test_code_is_modules_and_the_pins_of_libraries() -> None:
    files = ["digits/a.py", "digits/.a.py", "requirements.lock", "tools.lock", "data/raw/x.npy"]
    assert select_code(files) == ["digits/a.py", "requirements.lock"]


def test_what_git_or_dvc_would_leave_out_is_said_before_any_work(newcomer: Project) -> None:
    check_experiments_can_run(newcomer.path)
    new = newcomer.path / "digits" / "new.py"
    new.touch()
    with pytest.raises(BadInput, match=r"^digits/new.py would .* `git add -N digits/new"):
        check_experiments_can_run(newcomer.path)
    newcomer.git("add", "-N", "digits/new.py")
    check_experiments_can_run(newcomer.path)
    fine = ("100% {a} 'b' $c,d", "")
    for name, odd in (fine, ("Übung", "Ü"), ("a#ß", "# ß"), ("a%41", "%41")):
        moved = newcomer.path.rename(newcomer.path.parent / name)
        newcomer = Project(moved, newcomer.home)
        if odd:
            with pytest.raises(BadInput, match=f"{name} has {odd} in its path, with which DVC"):
                check_experiments_can_run(moved)
        else:
            check_experiments_can_run(moved)
