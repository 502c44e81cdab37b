"""Which of the project's own modules a module imports, read from the code."""

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def modules(*folders: str) -> list[Path]:
    """All modules below these folders, relative to the repository; there must be some."""
    found = [path.relative_to(ROOT) for name in folders for path in (ROOT / name).rglob("*.py")]
    assert len(found) > len(folders), f"no modules in {folders}"
    return sorted(found)


@cache
def own_file(module: str) -> Path | None:
    """The file of one of our modules, relative to the repository, or None when it is not ours."""
    path = ROOT / Path(*module.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.exists():
            return file.relative_to(ROOT)
    return None


@cache
def imported_modules(file: Path) -> frozenset[str]:
    """Full names of what a file imports, also inside functions, with the packages they are in."""
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, f"{file}: relative imports are not followed"
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(names) | {
        ".".join(name.split(".")[:depth])
        for name in names
        for depth in range(1, name.count(".") + 1)
    }


@cache
def is_docstring_alone(file: Path) -> bool:
    """Whether a module does nothing: nobody depends on what it says."""
    body = ast.parse((ROOT / file).read_text(encoding="utf-8")).body
    return all(isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in body)


def closure(file: Path, without: tuple[Path, ...] = ()) -> set[Path]:
    """The file itself and all files of ours that running it can read as code.

    `without` are folders whose modules are left out, and what only they import.
    """
    todo, seen = {file}, set[Path]()
    while todo:
        current = todo.pop()
        if current in seen or any(folder in current.parents for folder in without):
            continue
        seen.add(current)
        todo |= {own for name in imported_modules(current) if (own := own_file(name))}
    return {path for path in seen if not is_docstring_alone(path)}
