"""The extras of pyproject.toml: how the libraries that this project works without are installed."""

# By the module that cannot be imported.
EXTRAS = {
    "cloudpickle": "cluster",
    "distributed": "cluster",
    "sklearnex": "fast",
    "psycopg": "postgres",
    "psycopg2": "postgres",
    "boto3": "s3",
    "botocore": "s3",
    "dvc_s3": "s3",
}


def install_command(library: str) -> str:
    """Return the command that installs a library, for a sentence.

    Parameters
    ----------
    library : str
        A module, or the package that holds it: `dvc_s3` or `dvc-s3`.

    Returns
    -------
    str
        In backticks.
    """
    extra = EXTRAS.get(library.replace("-", "_"))
    return f"`pip install '.[{extra}]'`" if extra else f"`pip install {library}`"
