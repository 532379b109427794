"""`make lint` ends with this: the longest files and functions, and how many files a package has: growth is seen."""

import ast
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TREES = ("chalicelib", "infra", "models", "tests")
SHOWN = 3


def main() -> int:
    files = [p for tree in TREES for p in sorted((ROOT / tree).rglob("*.py"))] + [ROOT / "app.py"]
    texts = {p.relative_to(ROOT): p.read_text("utf-8") for p in files}
    lengths = {str(p): text.count("\n") for p, text in texts.items()}
    functions = {
        f"{p}:{node.lineno} {node.name}": (node.end_lineno or node.lineno) - node.lineno + 1
        for p, text in texts.items()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    packages = Counter(str(p.parent) for p in texts if p.name != "__init__.py")
    for what, counted in (("longest files", lengths), ("longest functions", functions), ("files a package", packages)):
        longest = sorted(counted.items(), key=lambda row: (-row[1], row[0]))[:SHOWN]
        print(f"{what + ':':<19}" + ", ".join(f"{name} {number}" for name, number in longest))
    return 0


if __name__ == "__main__":
    sys.exit(main())
