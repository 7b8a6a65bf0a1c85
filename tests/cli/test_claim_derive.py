"""`weft claim derive`: each device gets a key of its own, and the server takes it."""

from typing import Any

from tests.cli.support import Shell


async def test_a_derived_key_provisions_its_serial(weft: Shell) -> None:
    """From the factory's token to the device's identity."""
    made: Any = await weft.json("claim", "add", "pumps", "5", "--group", "--approve")
    token = made["token"]
    derived = await weft.run("claim", "derive", "0042", "0043", text=f"{token}\n")
    assert derived.exit_code == 0, derived.output
    keys = dict(line.split() for line in derived.stdout.splitlines())
    assert set(keys) == {"0042", "0043"}
    for serial, shown, status in (("0042", keys["0043"], 401), ("0042", keys["0042"], 201)):
        asked = await weft.world.call("POST", "/provision", token=shown, body={"serial": serial})
        assert asked.status == status


async def test_a_derived_pre_shared_key_is_the_servers(weft: Shell) -> None:
    """Identity and key, for a device that comes over DTLS; the token's own are no device's."""
    made: Any = await weft.json("claim", "add", "pumps", "5", "--group", "--approve")
    assert made["psk_key"] is None
    derived = await weft.run("claim", "derive", "--psk", "0042", text=f"{made['token']}\n")
    serial, identity, key = derived.stdout.split()
    assert (serial, identity) == ("0042", f"{made['claim']['claim_id']}:0042")
    found = weft.world.claims.find_key(identity)
    assert found is not None
    assert found.key == key.encode()
    long = await weft.run("claim", "derive", "--psk", "x" * 112, text=f"{made['token']}\n")
    assert long.exit_code == 2
    assert "128 bytes" in long.stderr


async def test_a_batchs_pre_shared_key_is_shown_once(weft: Shell) -> None:
    """With its token."""
    made: Any = await weft.json("claim", "add", "pumps", "5")
    found = weft.world.claims.find_key(made["psk_identity"])
    assert found is not None
    assert found.key == made["psk_key"].encode()
    shown: Any = await weft.json("claim", "show", made["claim"]["claim_id"])
    assert made["psk_key"] not in str(shown)


async def test_what_is_no_token_is_told(weft: Shell) -> None:
    """A key that is mistyped in the factory is found in the factory."""
    result = await weft.run("claim", "derive", "0042", text="weft_nothing\n")
    assert result.exit_code == 2
    assert "mistyped" in result.stderr
