"""Derivations as records: what is saved can be computed, and each version is kept."""

import pytest
from tests.rules.derived.support import Works, document
from tests.rules.support import ALICE, MAIN, device

import weft.rules.derived.derivations as module
from weft.errors import Conflict, Invalid, NotFound, QuotaExceeded, StaleVersion
from weft.registry.tenants import Quotas
from weft.rules.derived.model import DerivationDocument
from weft.rules.language import scope_of
from weft.rules.language.syntax import Type
from weft.rules.model import Selector


async def test_a_derivation_has_versions_and_an_audit() -> None:
    """Saved twice and deleted; the versions stay, and a namesake goes on counting."""
    works = Works(device())
    save, plant = works.derivations.save, works.plant
    first = await save(ALICE, "power", document())
    assert (first.version, first.gives, first.inputs) == (1, "double", ("pressure", "temperature"))
    second = await save(ALICE, "power", document(value="temperature"), version=1)
    assert (second.version, second.uid) == (2, first.uid)
    with pytest.raises(StaleVersion):
        await save(ALICE, "power", document(), version=1)
    await works.derivations.delete(ALICE, "power", version=2)
    third = await save(ALICE, "power", document())
    assert third.version == 3
    assert [one.version for one in await works.derivations.versions(MAIN, "power")] == [1, 2, 3]
    acts = [one for one in await plant.audited() if one.startswith("derivation")]
    assert sorted(acts) == ["derivation.create", "derivation.create", "derivation.delete",
                            "derivation.update"]  # fmt: skip


async def test_what_a_type_declares_is_not_computed() -> None:
    """Its devices send it."""
    works = Works(device())
    with pytest.raises(Invalid, match="declares 'temperature'"):
        await works.derivations.save(ALICE, "t", document(key="temperature", value="pressure"))


async def test_an_expression_is_checked_against_the_type_with_its_derived_keys() -> None:
    """A rule and another derivation may name them; a wrong word names its column."""
    works = Works(device())
    await works.derivations.save(ALICE, "power", document(unit="W"))
    await works.derivations.save(ALICE, "twice", document(key="twice", value="power * 2.0"))
    kind = works.around.types.find(MAIN, "machine")
    scope = works.around.scope_of(MAIN, kind)
    assert scope.type_of(("telemetry", "power")) is Type.DOUBLE
    assert scope.unit_of(("telemetry", "power")) == "W"
    assert scope_of(kind).type_of(("telemetry", "power")) is None
    with pytest.raises(Invalid, match="value: Column 7"):
        await works.derivations.save(ALICE, "x", document(key="x", value="1.0 + powr"))


async def test_what_another_stands_on_is_not_deleted() -> None:
    """It would be computed no more, and nobody had said so."""
    works = Works(device())
    await works.derivations.save(ALICE, "power", document())
    await works.derivations.save(ALICE, "twice", document(key="twice", value="power * 2.0"))
    with pytest.raises(Conflict, match="'twice' reads 'power'"):
        await works.derivations.delete(ALICE, "power")


async def test_a_tenant_has_only_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is there may still be changed."""
    monkeypatch.setattr(module, "quotas_of", lambda _reader, _tenant: Quotas(derivations=1))
    works = Works(device())
    await works.derivations.save(ALICE, "power", document())
    await works.derivations.save(ALICE, "power", document(value="temperature"))
    with pytest.raises(QuotaExceeded, match="1 derivations"):
        await works.derivations.save(ALICE, "more", document(key="more"))


async def test_all_together_remember_only_so_much() -> None:
    """Each window is bounded, and so is their sum."""
    works = Works(device())
    text = " + ".join(f"mean(temperature + {n}.0, 1h)" for n in range(20))

    async def fill() -> None:
        for number in range(100):
            saved = document(key=f"k{number}", value=text)
            await works.derivations.save(ALICE, f"d{number}", saved)

    with pytest.raises(QuotaExceeded, match="All derivations together"):
        await fill()


async def test_what_is_not_there_is_said() -> None:
    """A type or a derivation that nobody has made."""
    works = Works(device())
    with pytest.raises(NotFound, match="device type 'fan'"):
        await works.derivations.save(
            ALICE, "f", DerivationDocument("f", "x", Selector(type_name="fan"))
        )
    with pytest.raises(NotFound, match="derivation 'f'"):
        await works.derivations.get(MAIN, "f")
    with pytest.raises(NotFound):
        await works.derivations.delete(ALICE, "f")


async def test_after_a_start_derived_keys_are_known() -> None:
    """Before the rules are read, which may name them."""
    works = Works(device())
    await works.derivations.save(ALICE, "power", document())
    again = Works(device(), records=works.plant.records)
    await again.derivations.load()
    assert [one.name for one in again.derivations.of(MAIN)] == ["power"]
    assert [one.key for one in again.derivations.of_device(device())] == ["power"]
    assert again.derivations.of_device(device("x", type_name=None)) == []
