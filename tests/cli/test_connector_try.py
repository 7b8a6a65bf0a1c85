"""`weft connector try` and its neighbours: mappings from files, requests for people."""

from pathlib import Path

from tests.api.operations.test_mappings import with_connector
from tests.cli.support import Shell

from weft.cli.connector_try import tried_lines


async def test_a_mapping_in_a_file_is_tried_saved_and_forgotten(
    weft: Shell, tmp_path: Path
) -> None:
    """What is shown is the request as on the wire, and that nothing was sent."""
    with_connector(weft.world)
    path = tmp_path / "fields.yaml"
    path.write_text("name: \"'Hall 3: ' + title\"\nx_hall: asset.id\n")
    tried = await weft.run("connector", "try", "erp", "--mapping", str(path), "--device", "pump-7")
    assert tried.exit_code == 0, tried.output
    assert "POST https://erp.example/plant/rest/model/project.work" in tried.stdout
    assert '"name": "Hall 3: A sample of an alarm of pump-7"' in tried.stdout
    assert "Left out: x_hall" in tried.stdout
    assert "Nothing was sent" in tried.stdout
    saved = await weft.run("connector", "map", "erp", str(path))
    assert saved.exit_code == 0, saved.output
    shown = await weft.json("connector", "mapping", "erp")
    assert shown["fields"]["x_hall"] == "asset.id"
    again = await weft.json("connector", "try", "erp")
    assert again["body"]["name"].startswith("Hall 3: ")
    assert (await weft.run("connector", "unmap", "erp", "--yes")).exit_code == 0


async def test_what_does_not_fit_is_told_with_its_column(weft: Shell, tmp_path: Path) -> None:
    """And a connector that is not there."""
    with_connector(weft.world)
    path = tmp_path / "fields.yaml"
    path.write_text("name: devise.id\n")
    refused = await weft.run("connector", "try", "erp", "--mapping", str(path))
    assert refused.exit_code != 0
    assert "Column 1" in refused.stderr
    lost = await weft.run("connector", "try", "crm")
    assert "No connector is named 'crm'" in lost.stderr


def test_text_of_devices_is_one_line_on_a_terminal() -> None:
    """An escape sequence in a title moves no cursor."""
    tried = {
        "first": "",
        "method": "POST",
        "url": "https://x",
        "headers": {"A": "b"},
        "body": {"name": "\x1b[2J"},
        "left_out": [{"field": "x", "why": "\x1b"}],
    }
    assert all("\x1b" not in line for line in tried_lines(tried))
