"""The schema of params.yaml, and its messages."""
