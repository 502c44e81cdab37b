"""The library: pure functions and scikit-learn estimators. It reads no `params.yaml` and knows no path of the DAG."""

import os
from pathlib import Path

DOWN_AFTER = "5"  # seconds without an answer: MLflow's own limits would hang for minutes

# MLflow reads these when it is imported.
_SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": DOWN_AFTER,
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}

# And these OpenBLAS and NumPy, when they are loaded. Left alone, each takes the routines of the newest processor it finds itself
# on, which round differently: the same commit would make another model there, and another dvc.lock. Those of AVX2 run on nearly
# every x86-64 processor since 2013. Only Linux tells what its processor can do without a library.
_PROCESSOR = Path("/proc/cpuinfo")
if _PROCESSOR.exists() and " avx2 " in _PROCESSOR.read_text(encoding="utf-8"):
    _SETTINGS["OPENBLAS_CORETYPE"] = "Haswell"
    if "NPY_DISABLE_CPU_FEATURES" not in os.environ:  # NumPy takes one or the other
        _SETTINGS["NPY_ENABLE_CPU_FEATURES"] = "X86_V3"

for _name, _value in _SETTINGS.items():
    os.environ.setdefault(_name, _value)
