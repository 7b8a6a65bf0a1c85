"""Commands that take certificates out of files."""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from tests.cli.support import Shell
from tests.security.customer_ca import CustomerCa

from weft.security.certificates import pem_of


async def test_an_authority_is_registered_and_proven_and_a_device_bound(
    weft: Shell, tmp_path: Path
) -> None:
    """As the customer types it; each step says the next."""
    acme = CustomerCa(at_s=weft.world.clock.now() / 1e9)
    ca, proof, gate = (tmp_path / name for name in ("ca.pem", "proof.pem", "gate.pem"))
    ca.write_text(acme.pem)
    shown = await weft.run("authority", "register", str(ca), "--label", "Acme")
    assert shown.exit_code == 0, shown.output
    (listed,) = (await weft.json("authority", "list"))["items"]
    assert listed["nonce"] in shown.stdout
    assert f"weft authority prove {listed['authority_id']} FILE" in shown.stdout

    proof.write_text(acme.proof(listed["nonce"]))
    proven = await weft.run("authority", "prove", listed["authority_id"], str(proof))
    assert proven.exit_code == 0, proven.output
    await weft.run("device", "add", "gate-1")
    key = ec.generate_private_key(ec.SECP256R1())
    gate.write_text(pem_of(acme.sign("gate-1", key)))
    unproven = await weft.run("credential", "bind", "gate-1", str(gate))
    assert unproven.exit_code != 0
    assert "signing request" in unproven.output
    request = tmp_path / "gate.csr"
    request.write_text(acme.request("gate-1", key))
    bound = await weft.run("credential", "bind", "gate-1", str(gate), "--request", str(request))
    assert bound.exit_code == 0, bound.output
    kinds = [one["kind"] for one in (await weft.json("credential", "list", "gate-1"))["items"]]
    assert sorted(kinds) == ["certificate", "secret"]


async def test_machines_read_json(weft: Shell, tmp_path: Path) -> None:
    """The nonce, and all the rest."""
    file = tmp_path / "ca.pem"
    file.write_text(CustomerCa(at_s=weft.world.clock.now() / 1e9).pem)
    made = await weft.run("--json", "authority", "register", str(file))
    assert '"nonce"' in made.stdout
