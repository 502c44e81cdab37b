"""The same routines on every processor.

What two of them compute can differ in its last bits, and then dvc.lock does.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from threadpoolctl import threadpool_info

from tests.scratch import Project

PROCESSOR = Path("/proc/cpuinfo")
SPLIT = "from stages.__main__ import main; main('split')"
TRAIN = "from stages.__main__ import main; main('train')"
COMMAND = "from digits.__main__ import main; main(['compare', 'main'])"
LOOK = """
import numpy, scipy.linalg, json, threadpoolctl
libraries = threadpoolctl.threadpool_info()
print()
print(json.dumps([
    sorted({each["architecture"] for each in libraries if each["internal_api"] == "openblas"}),
    numpy.show_config(mode="dicts")["SIMD Extensions"].get("found", []),
]))
"""

pytestmark = pytest.mark.skipif(
    not PROCESSOR.exists() or " avx2 " not in PROCESSOR.read_text(encoding="utf-8"),
    reason="the routines are chosen for x86-64 processors with AVX2, under Linux",
)


def routines(project: Project, code: str, **settings: str) -> list[list[str]]:
    """What a process computes with when it has run some code of the project.

    Returns
    -------
    list of two lists of str
        The processor that OpenBLAS computes for, and what NumPy uses beyond its least.
    """
    env = {
        name: value
        for name, value in project.env.items()
        if not name.startswith(("OPENBLAS_", "NPY_"))
    }
    found: list[list[str]] = json.loads(
        subprocess.run(
            [sys.executable, "-W", "error", "-c", code + LOOK],
            env=env | settings,
            cwd=project.path,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout.splitlines()[-1]
    )
    return found


@pytest.mark.parametrize(
    "code",
    [
        pytest.param(SPLIT, id="split"),
        pytest.param(TRAIN, id="train", marks=pytest.mark.slow),
        pytest.param(COMMAND, id="compare"),
    ],
)
def test_no_routine_is_of_a_newer_processor_than_avx2(project: Project, code: str) -> None:
    """All stages begin as these two, all commands as that one."""
    assert routines(project, code) == [["Haswell"], ["X86_V3"]]


def test_a_choice_of_ones_own_stands(project: Project) -> None:
    own = {"OPENBLAS_CORETYPE": "Nehalem", "NPY_DISABLE_CPU_FEATURES": "X86_V3"}
    processors, features = routines(project, SPLIT, **own)
    assert processors == ["Nehalem"] and "X86_V3" not in features


def test_the_tests_themselves_compute_so() -> None:
    libraries = [library for library in threadpool_info() if library["internal_api"] == "openblas"]
    # OpenBLAS reads the name in any case, and whoever runs the tests may have set it.
    assert {library["architecture"].casefold() for library in libraries} == {
        os.environ["OPENBLAS_CORETYPE"].casefold()
    }
