"""The process of a stage, and the DVC that started it.

Neither may outlive the other, and one stage's end may have to wait for DVC's.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType

import psutil


def exit_on_signals() -> None:
    """Exit on SIGTERM, on Ctrl-C and when DVC is gone, through all `finally` and `with`.

    So half-made outs are removed and the MLflow run ends.
    """
    # Ctrl-C too: scikit-learn's MLPClassifier takes a KeyboardInterrupt for the wish to stop
    # there, and returns half a training.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _exit)
    if dvc := find_dvc():
        threading.Thread(target=_exit_with, args=[dvc], daemon=True).start()


def find_dvc() -> psutil.Process | None:
    """Return the DVC that started this stage, if one did.

    It need not be the parent: some shells stay between the two.
    """
    with suppress(psutil.Error):  # one that ended, or that is not ours to look at
        for parent in psutil.Process().parents():
            if any(Path(word).stem == "dvc" for word in parent.cmdline()[:4]):
                return parent
    return None


def rerun_next_time(out: str) -> None:
    """Have the next `dvc repro` run this stage again, and it alone.

    Its out is removed as soon as DVC has recorded it. A stage cannot ask DVC for that: without
    its out it would have failed, and with `always_changed` nothing would ever be up to date. DVC
    looks at the out when the stage has ended, so whoever removes it must outlive the stage, but
    not DVC.
    """
    if dvc := find_dvc():
        command = [sys.executable, "-c", _REMOVE, str(dvc.pid), str(Path(out).absolute())]
        null = subprocess.DEVNULL
        subprocess.Popen(command, stdin=null, stdout=null, stderr=null, start_new_session=True)


_REMOVE = """
import pathlib, psutil, sys
if psutil.pid_exists(int(sys.argv[1])):
    psutil.wait_procs([psutil.Process(int(sys.argv[1]))], timeout=600)
pathlib.Path(sys.argv[2]).unlink(missing_ok=True)
"""


def _exit(number: int, _: FrameType | None) -> None:
    sys.exit(128 + number)


def _exit_with(dvc: psutil.Process) -> None:
    """Exit when DVC was killed: it leaves the stage behind, and nobody records its result."""
    with suppress(psutil.NoSuchProcess):
        while dvc.is_running() and dvc.status() != psutil.STATUS_ZOMBIE:
            time.sleep(1)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(10)
    os._exit(128 + signal.SIGTERM)  # a library may keep the signal waiting
