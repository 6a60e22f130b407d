"""What the tutorial says can be typed, and prints what it shows.

Invariant: all blocks of a page run in their order, in one namespace, as a reader would run them; nothing is left out.
"""

import contextlib
import io
import re
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "simulator-tutorial.md"
BLOCK = re.compile(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.DOTALL | re.MULTILINE)


def test_the_tutorial_does_what_it_says() -> None:
    text = PAGE.read_text("utf-8")
    blocks = BLOCK.findall(text)
    assert len(blocks) == text.count("```python\n")
    namespace: dict[str, object] = {"__name__": "tutorial"}
    for number, (code, shown) in enumerate(blocks, 1):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, f"{PAGE.name}, block {number}", "exec"), namespace)
        assert printed.getvalue() == shown, f"block {number} prints otherwise:\n{code}"
