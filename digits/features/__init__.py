"""Representations: what is computed of an image before the model sees it."""
