"""What `lockproof lock` starts from."""

from __future__ import annotations

import pytest

from lockproof.errors import LockError, ProblemsError
from lockproof.relocking.lockinputs import named_as


def test_errors_about_a_lock_that_is_being_made_name_no_temporary_file() -> None:
    def error() -> LockError:
        return LockError("two", where="/tmp/x/r.txt:3", why="no hash\n  /tmp/x/r.txt:11: a\n  /tmp/x/r.txt:89: b")

    for raised in (error(), ProblemsError([error(), error()])):
        with pytest.raises(type(raised)) as caught, named_as("/tmp/x/r.txt", "r.txt"):
            raise raised
        told = "r.txt (new):3: two: no hash\n  r.txt (new):11: a\n  r.txt (new):89: b"
        assert str(caught.value) == "\n".join([told] * (1 if isinstance(raised, LockError) else 2))
