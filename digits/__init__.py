"""The library: pure functions and scikit-learn estimators. It reads no `params.yaml` and knows no path of the DAG."""
