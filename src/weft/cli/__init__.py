"""The command line: `weft up`, and every operation of the API as `weft NOUN VERB`."""

import importlib


def main() -> None:
    """Run the command line; what is heavy is loaded when its command is asked for."""
    importlib.import_module("weft.cli.root").cli.main(prog_name="weft")
