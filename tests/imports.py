"""Which of the project's own modules a module imports, directly or through others, read from the code."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def own_file(module: str) -> Path | None:
    """The file of one of our modules, relative to the repository, or None when it is not ours."""
    path = ROOT / Path(*module.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.exists():
            return file.relative_to(ROOT)
    return None


def imported_modules(file: Path, top_level_only: bool = False) -> set[str]:
    """Full names of all modules that a file imports, also inside functions, with the packages they are in."""
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    names: set[str] = set()
    for node in tree.body if top_level_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, f"{file}: relative imports are not followed"
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names | {
        ".".join(name.split(".")[:depth])
        for name in names
        for depth in range(1, name.count(".") + 1)
    }


def closure(file: Path) -> set[Path]:
    """The file itself and all files of ours that running it can read as code."""
    todo, seen = {file, file.parent / "__init__.py"}, set[Path]()
    while todo:
        current = todo.pop()
        seen.add(current)
        todo |= {own for name in imported_modules(current) if (own := own_file(name))} - seen
    return seen
