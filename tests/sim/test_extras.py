"""What is missing is said before any work is done, with the command that brings it."""

import pytest

from mesh.errors import UsageError
from sim.extras import ACCOUNTS, need


def test_a_missing_library_is_named_with_the_extra_that_brings_it() -> None:
    need(ACCOUNTS, "an account")
    with pytest.raises(UsageError, match=r"^a plot: this needs no_such_library") as raised:
        need(("polars", "no_such_library"), "a plot")
    assert raised.value.todo == 'install it with `pip install "chaos-metadata-mesh[sim]"`'
