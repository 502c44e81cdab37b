"""Revisions of the repository: their results, comparison, ranking, queue."""
