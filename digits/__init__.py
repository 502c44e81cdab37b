"""The library: pure functions and scikit-learn estimators. It reads no `params.yaml` and knows no path of the DAG."""

import os

DOWN_AFTER = "5"  # seconds without an answer: MLflow's own limits would hang for minutes

# MLflow reads these when it is imported.
for _name, _value in {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": DOWN_AFTER,
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}.items():
    os.environ.setdefault(_name, _value)
