"""The options of `lock`: repeated ones, their variables, and those that don't go together."""

from __future__ import annotations

import pytest

from lockproof.cli import apply_variables, build_parser
from lockproof.errors import UsageError
from lockproof.relocking.lockoptions import refuse_misfits


def test_a_repeated_option_adds_up_and_takes_the_place_of_its_variable() -> None:
    parser = build_parser()
    apply_variables(parser, {"LOCKPROOF_GROUP": "a b", "LOCKPROOF_EXTRA": "x", "LOCKPROOF_UPGRADE": "1"})
    options = parser.parse_args(["lock", "--group", "c", "--group", "d"])
    assert (options.group, options.extra, options.upgrade, options.upgrade_package) == (["c", "d"], ["x"], True, [])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--export", "pylock.toml", "a.in"], "--export and SOURCE"),
        (["--export", "pylock.toml", "--upgrade-package", "a"], "--export and --upgrade-package"),
        (["--check", "--upgrade"], "--check and --upgrade"),
        (["--check", "--predict"], "--check and --predict"),
        (["-o", "x"], "--output is for --export"),
    ],
)
def test_options_that_do_not_go_together(arguments: list[str], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        refuse_misfits(build_parser().parse_args(["lock", *arguments]))
