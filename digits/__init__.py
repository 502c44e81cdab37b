"""The library: pure functions and scikit-learn estimators. It reads no `params.yaml` and knows no path of the DAG."""

import os

# MLflow reads these when it is imported. The limits are for a server that is down: its own would hang for minutes.
for _name, _value in {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}.items():
    os.environ.setdefault(_name, _value)
