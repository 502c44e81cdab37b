"""Files, errors, YAML, threads: what all other rooms use."""
