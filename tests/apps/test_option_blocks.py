"""Blocks of options: on the command line as if the command had them itself."""

from typing import Annotated, Any

import typer
from typer.testing import CliRunner

from limner.apps import option_blocks
from limner.apps.option_blocks import Options, with_blocks

seen: list[Any] = []


def colours(red: int = 1, blue: Annotated[int, typer.Option(help="How blue.")] = 2) -> Options:
    return {"mixed": red + blue}


@with_blocks(colour=colours)
def paint(
    *, word: Annotated[str, typer.Argument()] = "none", colour: Options, last: Annotated[int, typer.Option()]
) -> None:
    """Paint it."""
    seen.append((word, colour, last))


def run(*arguments: str) -> str:
    app = typer.Typer()
    app.command()(paint)
    seen.clear()
    return CliRunner().invoke(app, list(arguments)).output


def test_the_block_stands_in_the_place_of_the_parameter() -> None:
    told = run("--help")
    assert "Paint it." in told
    assert "How blue." in told
    assert told.index("--red") < told.index("--blue") < told.index("--last")
    assert "--colour" not in told


def test_the_command_gets_what_the_block_made() -> None:
    run("sky", "--blue", "5", "--last", "3")
    assert seen == [("sky", {"mixed": 6}, 3)]
    run("--last", "0")
    assert seen == [("none", {"mixed": 3}, 0)]
    assert "Missing option" in run("sky")


def test_dials_are_what_was_given_as_the_settings_name_it() -> None:
    assert option_blocks.dials() == {}
    given = option_blocks.dials(scale=0.5, steps=3, block_scale=["up=2"])
    assert given == {"adapter_scale": 0.5, "num_steps": 3, "block_scales": {"up": 2.0}}
