"""The same routines on every processor: what two of them compute can differ in its last bits, and then dvc.lock does."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from threadpoolctl import threadpool_info

from tests.imports import ROOT
from tests.scratch import STAGES

PROCESSOR = Path("/proc/cpuinfo")
LOOK = """
import numpy, scipy.linalg, json, threadpoolctl
print(json.dumps([
    sorted({library["architecture"] for library in threadpoolctl.threadpool_info() if library["internal_api"] == "openblas"}),
    numpy.show_config(mode="dicts")["SIMD Extensions"].get("found", []),
]))
"""

pytestmark = pytest.mark.skipif(
    not PROCESSOR.exists() or " avx2 " not in PROCESSOR.read_text(encoding="utf-8"),
    reason="the routines are chosen for x86-64 processors with AVX2, under Linux",
)


def routines(first: str, **settings: str) -> list[list[str]]:
    """The processor that OpenBLAS computes for, and what NumPy uses beyond its least, once `first` has been imported."""
    env = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OPENBLAS_", "NPY_"))
    }
    command = [sys.executable, "-W", "error", "-c", f"import {first}{LOOK}"]
    looked = subprocess.run(
        command, env=env | settings, cwd=ROOT, capture_output=True, text=True, check=True
    )
    return json.loads(looked.stdout)


@pytest.mark.parametrize("first", [f"stages.{stage}" for stage in STAGES] + ["digits.__main__"])
def test_no_routine_is_of_a_newer_processor_than_avx2(first: str) -> None:
    assert routines(first) == [["Haswell"], ["X86_V3"]]


def test_a_choice_of_ones_own_stands() -> None:
    assert routines("stages.train", OPENBLAS_CORETYPE="Nehalem", NPY_DISABLE_CPU_FEATURES="X86_V3")[
        0
    ] == ["Nehalem"]
    assert "X86_V3" not in routines("stages.train", NPY_DISABLE_CPU_FEATURES="X86_V3")[1]


def test_the_tests_themselves_compute_so() -> None:
    libraries = [library for library in threadpool_info() if library["internal_api"] == "openblas"]
    # OpenBLAS reads the name in any case, and whoever runs the tests may have set it.
    assert {library["architecture"].casefold() for library in libraries} == {
        os.environ["OPENBLAS_CORETYPE"].casefold()
    }
