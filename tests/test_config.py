"""Configuration: three sources, one order, and no guess about what was meant."""

import tomllib
import typing
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from weft.config import Config, load_config
from weft.errors import ConfigurationError


def refused(**given: Any) -> ConfigurationError:
    """Load, and return why that was refused."""
    with pytest.raises(ConfigurationError) as caught:
        load_config(**{"environment": {}, **given})
    return caught.value


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "weft.toml"
    path.write_text('[api]\nlisten = "127.0.0.1:1001"\n\n[journal]\nkeep_hours = 48\n')
    return path


def test_weft_starts_well_with_no_settings_at_all() -> None:
    """And listens on the loopback interface only."""
    config = load_config(environment={})
    assert config == Config()
    assert config.api.listen.startswith("127.0.0.1:")
    assert config.transports.mqtt.listen == "127.0.0.1:1883"
    assert config.transports.mqtt.listen_tls == config.api.tls_listen == ""


def test_later_sources_win(file: Path) -> None:
    """A file for the site, a variable for the container, an option for the moment."""
    variables = {"WEFT_API__LISTEN": "127.0.0.1:1002"}
    assert load_config(file, {}).api.listen == "127.0.0.1:1001"
    assert load_config(file, variables).api.listen == "127.0.0.1:1002"
    both = load_config(file, variables, ["api.listen=127.0.0.1:1003"])
    assert both.api.listen == "127.0.0.1:1003"
    assert both.journal.keep_hours == 48.0  # what no later source names stays


def test_variables_that_are_no_settings_are_left_alone() -> None:
    """WEFT_DATA and its kin steer the command, not the platform; others are not ours."""
    variables = {"WEFT_DATA": "x", "WEFT_CONFIG": "y", "WEFT_URL": "z", "PATH": "/bin"}
    assert load_config(environment=variables) == Config()


@pytest.mark.parametrize(
    ("text", "value"),
    [("60", 60.0), ("0.5", 0.5), ('"60"', 60.0)],
)
def test_a_number_may_be_written_as_people_write_it(text: str, value: float) -> None:
    """A shell has only text."""
    assert load_config(environment={}, assignments=[f"journal.keep_hours={text}"]) == load_config(
        environment={}, assignments=[f"journal.keep_hours = {value}"]
    )


def test_lists_and_truths_are_read_as_toml() -> None:
    """So that what works in the file works on the command line."""
    config = load_config(
        environment={"WEFT_LOG__JSON": "true"},
        assignments=['security.server_names=["weft.example.com", "10.0.0.7"]'],
    )
    assert config.log.json is True
    assert config.security.server_names == ("weft.example.com", "10.0.0.7")


def test_an_unknown_setting_is_refused_with_the_one_that_was_meant() -> None:
    """A misspelt limit is no limit: better not to start (OP-2)."""
    error = refused(assignments=["journal.keep_hour=5"])
    assert error.detail == "There is no setting journal.keep_hour."
    assert error.remedy == "Did you mean 'keep_hours'?"
    deep = refused(assignments=["transports.mqtt.lissten=127.0.0.1:1"])
    assert deep.detail == "There is no setting transports.mqtt.lissten."
    assert "listen" in deep.remedy


def test_an_unknown_setting_like_no_other_is_refused_with_those_there_are() -> None:
    """In the table it was looked for in."""
    error = refused(environment={"WEFT_JOURNAL__ZZZ": "1"})
    assert error.detail == "There is no setting journal.zzz."
    assert error.remedy == "Known here: keep_hours, keep_bytes."
    assert "transports" in refused(assignments=["qqqq=1"]).remedy


def test_a_value_of_the_wrong_type_is_refused_with_its_place(file: Path) -> None:
    """The setting's path, not a line of a stack."""
    error = refused(assignments=["journal.keep_hours=soon"])
    assert error.detail.startswith("Setting journal.keep_hours: ")
    assert error.remedy
    assert (
        "transports.mqtt.client_certificate"
        in refused(assignments=["transports.mqtt.client_certificate=maybe"]).detail
    )


def test_an_assignment_without_an_equals_sign_is_refused() -> None:
    """With how it is written."""
    error = refused(assignments=["api.listen"])
    assert "api.listen" in error.detail
    assert "--set api.listen=" in error.remedy


def test_a_value_is_no_table(file: Path) -> None:
    """`journal.keep_hours.x` names something below a number."""
    error = refused(file=file, assignments=["journal.keep_hours.x=1"])
    assert "'keep_hours' is a value, not a table" in error.detail


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"[api\n", "is not TOML"), (b"\xff\xfe", "cannot be read")],
)
def test_a_file_that_is_no_configuration_is_refused(
    tmp_path: Path, content: bytes, says: str
) -> None:
    """With its name, so that the right file is mended."""
    path = tmp_path / "weft.toml"
    path.write_bytes(content)
    error = refused(file=path)
    assert says in error.detail
    assert "weft.toml" in error.detail


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """Weft does not start on the defaults when a configuration was meant."""
    assert "none.toml" in refused(file=tmp_path / "none.toml").detail


def test_connectors_are_named_by_their_owner() -> None:
    """Any number; what each needs, its kind says, once it is made."""
    config = load_config(environment={}, assignments=["connectors.erp.kind=tryton"])
    assert config.connectors == {"erp": {"kind": "tryton"}}


def test_every_table_says_where_it_stands_in_the_file() -> None:
    """A settings class begins with its TOML path, and that path leads to it."""
    for path, kind in tables(Config):
        assert (kind.__doc__ or "").startswith(f"`[{path}]`"), kind
        empty = tomllib.loads(f"[{path}]\n")
        assert empty


def tables(kind: type[Struct], path: str = "") -> list[tuple[str, type[Struct]]]:
    """Return every table below one, with its path."""
    found: list[tuple[str, type[Struct]]] = []
    for name, hint in typing.get_type_hints(kind).items():
        if isinstance(hint, type) and hint.__name__.endswith("Settings"):
            full = f"{path}.{name}" if path else name
            found += [(full, hint), *tables(hint, full)]
    return found
