"""The stages of the pipeline: fetch, split, augment, train, evaluate, track; a page each."""
