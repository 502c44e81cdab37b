"""What the files of the project promise each other."""

import ast
import inspect
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

from digits.common.dvc_yaml import parse_yaml
from digits.common.environment import PACKAGES
from digits.common.extras import EXTRAS
from digits.common.versions import COMPUTING, DRAWING
from digits.data.transforms import elastic
from digits.params.nested import flatten
from digits.params.schema import parse_params
from tests.conftest import SECONDS
from tests.house.test_dependencies import PIPELINE
from tests.imports import ROOT, closure, imported_modules, modules, own_file
from tests.scratch import STAGES

PARAMS = (ROOT / "params.yaml").read_text(encoding="utf-8")
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCKS = [(ROOT / name).read_text(encoding="utf-8") for name in ("requirements.lock", "tools.lock")]
CODE = modules("stages", "digits")


def text_of(file: Path) -> str:
    return (ROOT / file).read_text(encoding="utf-8")


def package(requirement: str) -> str:
    return re.split(r"[<>=\[]", requirement)[0].lower()


def tracked_files() -> list[Path]:
    listed = subprocess.check_output(["git", "ls-files", "-z"], cwd=ROOT, text=True)
    files = [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]
    assert len(files) > 100
    return files


def test_every_param_is_documented_declared_and_used() -> None:
    everything = set(flatten(parse_yaml(PARAMS, "params.yaml")))
    assert everything == set(flatten(parse_params(PARAMS).model_dump(by_alias=True)))
    declared = {
        key.replace(".${train.model}", "") for stage in STAGES for key in PIPELINE[stage]["params"]
    }
    assert {key.split(".")[0] for key in everything} == declared
    for line in PARAMS.splitlines():
        if re.match(r"\s*\w+: *[^ #]", line):
            assert re.search(r"\S +# \S", line), f"undocumented: {line}"
    code = "\n".join(map(text_of, CODE))
    for key in everything:
        last = key.split(".")[-1]
        if key.startswith("models."):
            continue  # keyword arguments of the estimator: the tests of models fit each
        if key.startswith("augment.elastic.") and last in inspect.signature(elastic).parameters:
            continue
        assert re.search(rf"\.{last}_?\b|\[\"{last}\"\]", code), f"{key} is used nowhere"


def test_what_is_imported_is_a_declared_dependency() -> None:
    declared = {package(entry) for entry in PROJECT["project"]["dependencies"]}
    extras = PROJECT["project"]["optional-dependencies"].values()
    optional = {package(name) for names in extras for name in names}
    distributions = {
        "PIL": "pillow",
        "dvc_data": "dvc",  # its own lower halves, released with it
        "dvc_objects": "dvc",
        "markdown_it": "markdown-it-py",
        "pydantic_core": "pydantic",
        "ruamel": "ruamel.yaml",
        "sklearn": "scikit-learn",
        "sklearnex": "scikit-learn-intelex",
        "vl_convert": "vl-convert-python",
    }
    used = {name.split(".")[0] for file in CODE for name in imported_modules(file)}
    used -= {*sys.stdlib_module_names, "stages", "digits"}
    used = {distributions.get(name, name) for name in used}
    by_others = {"aiobotocore", "boto3", "dvc-s3", "psycopg"}  # DVC, MLflow and SQLAlchemy do
    assert optional - by_others <= used <= declared | optional, used - declared
    assert declared <= used | {"dvc", "ruamel.yaml.clib"}, declared - used


def test_pip_installs_the_dependencies_alone() -> None:
    """`pip install '.[fast]'` works, and copies no code, which would know no params or data."""
    assert PROJECT["tool"]["setuptools"]["packages"] == []
    assert PROJECT["build-system"]["build-backend"] == "setuptools.build_meta"


def test_the_table_of_extras_has_all_that_there_are() -> None:
    assert {*EXTRAS.values()} == {*PROJECT["project"]["optional-dependencies"]}


def test_nothing_unpickles() -> None:
    """But what Dask brings from workers that run whatever they are sent."""
    dask = "distributed.protocol.pickle"
    for file in CODE:
        unpicklers = {"pickle", "cloudpickle", "joblib.load", "dill", "shelve", dask}
        if file == Path("digits/common/cluster.py"):  # it says which functions Dask sends whole
            unpicklers.remove("cloudpickle")
        if file in (Path("digits/training/cluster.py"), Path("digits/training/pieces.py")):
            unpicklers.remove(dask)
        assert not imported_modules(file) & unpicklers, file
        nodes = ast.walk(ast.parse(text_of(file)))
        called = {ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call)}
        loaders = {"cloudpickle.load", "cloudpickle.loads"}
        loaders |= {"joblib.load", "mlflow.sklearn.load_model", "mlflow.pyfunc.load_model"}
        if file.name == "scoring.py":  # it loads what `serve` has saved anew, and nothing else
            loaders.remove("mlflow.pyfunc.load_model")
        assert not called & loaders, file
        assert "allow_pickle=True" not in text_of(file), file


def test_no_file_names_a_package_index_or_is_large() -> None:
    hosts = re.compile(
        rb"--(extra-)?index[-]url|--find[-]links|python[h]osted\.org|registry\.[n]pmjs"
    )  # not found in this line
    for path in tracked_files():
        content = path.read_bytes()
        assert not hosts.search(content), path
        assert len(content) < 2**20, path


def test_make_calls_modules_that_are_there_and_its_help_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    called = set(re.findall(r"python -m ((?:digits|bench)[\w.]*)", makefile))
    assert "digits" in called
    assert not {module for module in called if own_file(module) is None}
    targets = re.findall(r"^([a-z-]+):.* ## ", makefile, re.MULTILINE)
    assert len(set(targets)) == len(targets)
    phony = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert set(targets) == {target for line in phony for target in line.split()}


def test_the_workflow_may_do_little_and_runs_what_it_names() -> None:
    text = text_of(Path(".github/workflows/ci.yml"))
    workflow = parse_yaml(text, "ci.yml")
    assert workflow["permissions"] == {"contents": "read"}
    may_write = {name for name, job in workflow["jobs"].items() if "permissions" in job}
    assert may_write == {"report"}
    used = re.findall(r"uses: (.*)", text)
    assert used and all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v[\d.]+", action) for action in used)
    pythons = workflow["jobs"]["test"]["strategy"]["matrix"]["python"]
    first, after = re.findall(r"3\.(\d+)", PROJECT["project"]["requires-python"])
    assert pythons == [f"3.{minor}" for minor in range(int(first), int(after))]


def test_the_locks_pin_every_package_once_with_hashes() -> None:
    pinned = [re.findall(r"^([a-z0-9-]+)==\S+", lock, re.MULTILINE) for lock in LOCKS]
    for lock, names in zip(LOCKS, pinned, strict=True):
        entries = re.split(r"\n(?=[a-z0-9])", lock)
        assert len(names) == len(entries) and all("--hash=sha256:" in entry for entry in entries)
    everything = [name for names in pinned for name in names]
    assert len(set(everything)) == len(everything)
    wanted = PROJECT["project"]["dependencies"] + PROJECT["dependency-groups"]["dev"]
    assert {package(entry).replace(".", "-") for entry in wanted} <= set(everything)
    results = PROJECT["dependency-groups"]["results"]
    assert {*results} == {*COMPUTING, *DRAWING} <= set(pinned[0])
    assert not {"dvc", "mlflow", "pytest"} & set(pinned[0])


def test_the_tests_that_begin_first_are_tests() -> None:
    written = "".join(text_of(path) for path in modules("tests"))
    assert SECONDS
    for name in SECONDS:
        assert f"def {name}(" in written


def test_a_stage_says_which_packages_it_lacks_of_all_that_stages_import() -> None:
    """Commands may need more: they start when a stage does not."""
    files = {file for stage in STAGES for file in closure(Path("stages") / f"{stage}.py")}
    files |= {file for file in modules("digits") if file.parts[1] in ("data", "models", "features")}
    used = {name.split(".")[0] for file in files for name in imported_modules(file)}
    used -= {*sys.stdlib_module_names, "stages", "digits"}
    used -= {"cloudpickle", "distributed", "sklearnex"}  # which are optional
    assert used - {"pydantic_core"} == {name.split(".")[0] for name in PACKAGES}
