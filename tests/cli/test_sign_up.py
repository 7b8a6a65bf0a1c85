"""Signing up and in from the terminal, against a real server."""

import json
import re

import pytest
from tests.cli.support import Shell

from weft.cli import sign_up

PASSWORD = "violet anchor rides a quiet moon"


async def link_of(weft: Shell, *options: str) -> dict[str, str]:
    made = await weft.json("user", "link", *options)
    assert isinstance(made, dict)
    return made


async def test_a_link_makes_one_account_and_no_second(weft: Shell) -> None:
    """From the operator's link to a token that works; the link is then used up."""
    token = (await link_of(weft))["token"]
    done = await weft.run("sign-up", token, "--name", "anna", text=f"{PASSWORD}\n")
    assert done.exit_code == 0, done.output
    assert "You are signed in as anna" in done.stdout
    access = re.search(r"WEFT_TOKEN=(\S+)", done.stdout)
    assert access is not None
    shown = await weft.world.call("GET", "/whoami", token=access[1])
    assert (shown.json["kind"], shown.json["id"]) == ("user", "anna")
    again = await weft.run("sign-up", token, "--name", "bert", text=f"{PASSWORD}\n")
    assert again.exit_code == 1
    assert "used already" in again.stderr
    assert "weft user link" in again.stderr


async def test_the_whole_link_works_as_well(weft: Shell) -> None:
    """People paste what they were sent."""
    made = await link_of(weft)
    url = weft.data.joinpath("server.json")
    link = f"{json.loads(url.read_text())['http']}/sign-up#{made['token']}"
    done = await weft.run("sign-up", link, "--name", "anna", text=f"{PASSWORD}\n")
    assert done.exit_code == 0, done.output


async def test_a_weak_password_is_refused_with_the_rules_and_the_link_stays(weft: Shell) -> None:
    """The server decides; nothing is used up."""
    token = (await link_of(weft))["token"]
    weak = await weft.run("sign-up", token, "--name", "anna", text="short\n")
    assert weak.exit_code == 1
    assert "15 to 128 characters" in weak.stderr
    done = await weft.run("sign-up", token, "--name", "anna", text=f"{PASSWORD}\n")
    assert done.exit_code == 0, done.output


async def test_signing_in_needs_the_right_password(weft: Shell) -> None:
    """Who is unknown and who mistypes are told the same."""
    token = (await link_of(weft))["token"]
    await weft.run("sign-up", token, "--name", "anna", text=f"{PASSWORD}\n")
    tokens = await weft.json("sign-in", "anna", text=f"{PASSWORD}\n")
    assert isinstance(tokens, dict)
    assert tokens["token_type"] == "Bearer"
    wrong = await weft.run("sign-in", "anna", text="another password entirely\n")
    nobody = await weft.run("sign-in", "nobody", text="another password entirely\n")
    assert (wrong.exit_code, wrong.stderr) == (1, nobody.stderr)
    assert "name or the password" in wrong.stderr


async def test_a_link_gives_the_roles_that_are_named(weft: Shell) -> None:
    """An administrator's without any; the words for people say what to open or run."""
    token = (await link_of(weft, "--role", "viewer"))["token"]
    await weft.run("sign-up", token, "--name", "vera", text=f"{PASSWORD}\n")
    assert (await weft.json("user", "show", "vera"))["roles"] == ["viewer"]  # type: ignore[index]  # an object
    said = await weft.run("user", "link")
    assert "/sign-up#weft_" in said.stdout
    assert "weft sign-up weft_" in said.stdout


async def test_without_a_server_the_remedy_is_to_start_one(weft: Shell) -> None:
    """Exit code 3, as for every command that needs one."""
    (weft.data / "server.json").unlink()
    found = await weft.run("sign-in", "anna", text="x\n")
    assert found.exit_code == 3
    assert "weft up" in found.stderr


def test_at_a_terminal_the_password_is_asked_for_until_the_two_are_the_same(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A weak one and a mistyped one cost a try each, and the link nothing."""
    typed = iter(["short", PASSWORD, "mistyped", PASSWORD, PASSWORD])
    monkeypatch.setattr(sign_up.sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sign_up, "_password", lambda _label: next(typed))
    assert sign_up._new_password("anna") == PASSWORD
    said = capsys.readouterr().err
    assert "15 to 128" in said
    assert "not the same" in said
