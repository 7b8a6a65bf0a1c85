from pathlib import Path

import pytest

from weft.cli.passphrases import read_passphrase
from weft.errors import Invalid


def test_a_passphrase_is_the_first_line_of_its_file(tmp_path: Path) -> None:
    """Whatever ends the line; a space in it counts."""
    file = tmp_path / "passphrase"
    file.write_text("two words\r\nanother line\n")
    assert read_passphrase(file, confirm=True) == "two words"


def test_without_a_terminal_one_is_told_of_the_file() -> None:
    """A script does not wait for somebody to type."""
    with pytest.raises(Invalid) as caught:
        read_passphrase(None, confirm=False, otherwise=" or --key-file")
    assert "--passphrase-file" in caught.value.remedy
    assert "--key-file" in caught.value.remedy
