"""Classifiers and pipelines, and how they are saved."""
