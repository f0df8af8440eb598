"""What the README and the notebook show works."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest

PROJECT = Path(__file__).parents[1]
ROOT = PROJECT.parents[1]
BLOCKS = re.findall(r"```python\n(.*?)```", (PROJECT / "README.md").read_text(), flags=re.DOTALL)


@pytest.fixture
def here(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where both are run: in the repository, with a platform."""
    monkeypatch.setenv("ANOMALY_URL", url)
    monkeypatch.chdir(ROOT)


@pytest.mark.usefixtures("here")
def test_the_readme(capsys: pytest.CaptureFixture[str]) -> None:
    import matplotlib

    matplotlib.use("agg")
    names: dict[str, Any] = {}
    for block in BLOCKS:
        exec(compile(block, "README.md", "exec"), names)
    said = capsys.readouterr().out
    assert "57.3 is 101.9 below the 159.2 expected" in said
    assert "Model not found [model_not_found]" in said
    assert "2026-03-03 14:" in said and names["s"].info().serving == "v1"
    names["a"].close()


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    "path", sorted((PROJECT / "examples").glob("*.ipynb")), ids=lambda p: p.name
)
def test_a_notebook(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    nbclient.NotebookClient(
        notebook, timeout=300, resources={"metadata": {"path": str(ROOT)}}
    ).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    shown = [kind for output in outputs for kind in output.get("data", ())]
    assert "image/png" in shown and "text/html" in shown
    assert not [output for output in outputs if output.get("name") == "stderr"]
