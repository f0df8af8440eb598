"""Makes `_sync` from `_async`: `python tools/twin.py`.

With `--check` it changes nothing, and exits with 1 if a file is not up to date.
"""

import re
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "src" / "anomaly"
HEADER = '"""Made from the file of this name in `_async` by `tools/twin.py`: change that one."""\n'
RULES = [
    (r'\A""".*?"""\n', HEADER),
    (r"import asyncio\n", "import time as clock\n"),
    (r"asyncio\.sleep", "clock.sleep"),
    (r"\b(async|await) ", ""),
    (r"\bAsync(Client|Series|Verdicts|Iterator|BaseTransport)\b", r"\1"),
    (r"httpx\.AsyncClient", "httpx.Client"),
    (r"__a(enter|exit|iter|next)__", r"__\1__"),
    (r"\ba(close|read|iter_lines)\(", r"\1("),
]


def twin(source: str) -> str:
    """The synchronous form of a module."""
    for pattern, replacement in RULES:
        source = re.sub(pattern, replacement, source, flags=re.DOTALL)
    ruff = [sys.executable, "-m", "ruff"]
    for command in (["check", "--select=I", "--fix", "--quiet"], ["format"]):
        run = [*ruff, *command, "--stdin-filename", str(PACKAGE / "_sync" / "client.py"), "-"]
        source = subprocess.run(
            run, input=source, capture_output=True, text=True, check=True
        ).stdout
    return source


def main() -> int:
    """Writes or checks the files."""
    for path in sorted((PACKAGE / "_async").glob("*.py")):
        made, target = twin(path.read_text()), PACKAGE / "_sync" / path.name
        if "--check" not in sys.argv:
            target.write_text(made)
        elif target.read_text() != made:
            print(f"{target} is not what tools/twin.py makes: run it")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
