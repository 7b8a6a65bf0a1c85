"""Packs in a tenant: one order installs, again changes nothing, what people changed stays."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from tests.registry.support import ALICE, MALLORY, Registry
from tests.rules.support import FakePolicy

from weft.errors import Conflict, Forbidden, NotFound, StorageError
from weft.packs.model import INSTALLS, Installed
from weft.packs.packs import Order, Packs, PacksGiven, Report
from weft.packs.planning import Outcome
from weft.packs.reading import LIBRARY
from weft.packs.writers import Writers
from weft.registry.assets import AssetPatch
from weft.registry.devices import NewDevice
from weft.rules.derived.derivations import Derivations, DerivedKeysOf
from weft.rules.derived.documents import document_of as derivation_document
from weft.rules.derived.model import DerivationDocument
from weft.rules.model import Selector
from weft.rules.places.book import Given
from weft.rules.places.routes import Routes, document_of
from weft.rules.rules import Rules
from weft.rules.surroundings import Surroundings

NAME = "predictive-maintenance"
DERIVATIONS = {  # the first by its name stands on the second
    "a-strain": """
key: strain
selector: {type: vibration-sensor}
value: severity * 2.0
""",
    "b-severity": """
key: severity
description: How much of the boundary of zone D it is
selector: {type: vibration-sensor}
value: velocity_rms / device.attributes.zone_c_d
""",
}
WORN = """
name: worn
selector: {type: vibration-sensor}
when: strain > 2.0 && severity > 0.5
severity: info
"""


class Plant:
    """A tenant with its registry and rules, and the packs."""

    def __init__(self, library: Path = LIBRARY) -> None:
        self.registry = Registry()
        self.policy = FakePolicy()
        self.connectors = {"erp"}
        one = self.registry
        known = DerivedKeysOf(one.devices.find)
        around = Surroundings(devices=one.devices, types=one.types, derived=known)
        self.derivations = Derivations(one.records, one.audit, one.clock, around, known, lambda: 0)
        self.rules = Rules(one.records, self.policy, one.audit, one.clock, around, lambda: 0)
        self.routes = Routes(Given(one.records, one.audit, one.clock))
        self.library = library
        self.packs = self.made()

    def made(self) -> Packs:
        """Return the service as a start makes it."""
        one = self.registry
        takes = lambda _tenant, name: name in self.connectors  # noqa: E731
        given = PacksGiven(one.records, self.policy, one.audit, one.clock, self.writers, takes)
        return Packs(given, self.library)

    @property
    def writers(self) -> Writers:
        one = self.registry
        return Writers(one.types, one.assets, self.routes, self.derivations, self.rules)

    async def record(self, prefix: str = "") -> Installed | None:
        found = await self.registry.records.read(
            lambda reader: reader.find(INSTALLS, ALICE.tenant, f"{NAME}/{prefix}")
        )
        return found.value if found else None

    async def everything(self) -> dict[str, Any]:
        """What stands in the tenant, with versions."""
        tenant, one = ALICE.tenant, self.registry
        return {
            **{f"type:{t.name}": (t.version, t.document) for t in one.types.list(tenant)},
            **{f"asset:{a.asset_id}": (a.version, a) for a in one.assets.behind(tenant, "", 100)},
            **{
                f"route:{one.newest.name}": (one.newest.version, document_of(one.newest))
                for one in self.routes.book.all(tenant)
            },
            **{
                f"derivation:{d.name}": (d.version, derivation_document(d.document))
                for d in self.derivations.of(tenant)
            },
            **{f"rule:{r.rule_id}": (r.version, r.source) for r in await self.rules.list(tenant)},
        }


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A library of one pack that a test may change."""
    shutil.copytree(LIBRARY / NAME, tmp_path / NAME)
    return tmp_path


@pytest.fixture
def computing(library: Path) -> Path:
    """The same with derived telemetry: one key stands on another, and a rule on both."""
    folder = library / NAME / "derivations"
    folder.mkdir()
    for name, text in DERIVATIONS.items():
        (folder / f"{name}.yaml").write_text(text)
    (library / NAME / "rules" / "worn.yaml").write_text(WORN)
    return library


def newer(library: Path, *changes: tuple[str, str, str]) -> None:
    """Make version 2 of the pack, with (file, old, new) replaced."""
    for name, old, new in (("pack.yaml", "version: 1", "version: 2"), *changes):
        path = library / NAME / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))


def outcomes(report: Report, *wanted: Outcome) -> dict[str, Outcome]:
    return {s.item.key: s.outcome for s in report.steps if not wanted or s.outcome in wanted}


async def test_one_order_installs_all_and_the_same_again_changes_nothing() -> None:
    """A deployment that installs its packs each time makes no versions, and no noise."""
    plant = Plant()
    report = await plant.packs.install(ALICE, NAME, Order())
    assert set(outcomes(report).values()) == {Outcome.ADD}
    before, acts = await plant.everything(), plant.registry.audit.actions()
    assert acts[-1] == "pack.install"
    assert {step.item.key for step in report.steps} == before.keys()
    rule = await plant.rules.get(ALICE.tenant, "zone-d")
    assert rule.document.actions[0].connector == "erp"

    again = await plant.packs.install(ALICE, NAME, Order())
    assert set(outcomes(again).values()) == {Outcome.SAME}
    assert await plant.everything() == before
    assert plant.registry.audit.actions() == acts


async def test_a_dry_run_says_it_all_and_does_nothing() -> None:
    """What the report names is what the install then makes."""
    plant = Plant()
    tried = await plant.packs.install(ALICE, NAME, Order(dry_run=True))
    assert await plant.everything() == {}
    assert plant.registry.audit.actions() == []
    done = await plant.packs.install(ALICE, NAME, Order())
    assert outcomes(tried) == outcomes(done)


async def test_without_a_connector_rules_raise_alarms_only_until_there_is_one() -> None:
    """An empty folder has no ERP; the pack installs all the same, and is given one later."""
    plant = Plant()
    plant.connectors.clear()
    report = await plant.packs.install(ALICE, NAME, Order())
    assert report.connector == ""
    assert (await plant.rules.get(ALICE.tenant, "zone-d")).document.actions == ()

    later = await plant.packs.install(ALICE, NAME, Order(connector="sap"))
    assert set(outcomes(later, Outcome.UPDATE)) == {"rule:zone-c", "rule:zone-d"}
    changed = next(step for step in later.steps if step.item.key == "rule:zone-d")
    assert any("actions" in text and "comes" in text for text in changed.changes)
    rule = await plant.rules.get(ALICE.tenant, "zone-d")
    assert rule.document.actions[0].connector == "sap"
    same = await plant.packs.install(ALICE, NAME, Order())
    assert (same.connector, same.changes) == ("sap", False)


async def test_two_prefixes_are_two_installs() -> None:
    """Each has its own names; a rule watches the type of its own install."""
    plant = Plant()
    await plant.packs.install(ALICE, NAME, Order())
    await plant.packs.install(ALICE, NAME, Order(prefix="north-"))
    rule = await plant.rules.get(ALICE.tenant, "north-zone-d")
    assert rule.document.selector.type_name == "north-vibration-sensor"
    assert plant.registry.assets.get(ALICE.tenant, "north-pump-1").parent == "north-plant"
    assert [one.prefix for one in await plant.packs.installs(ALICE.tenant, NAME)] == ["", "north-"]

    await plant.packs.remove(ALICE, NAME, "north-")
    assert not [name for name in await plant.everything() if "north-" in name]
    assert "rule:zone-d" in await plant.everything()


async def test_a_name_that_is_taken_stops_it_before_anything_is_written() -> None:
    """Somebody has a rule of that name that says something else."""
    plant = Plant()
    own = {"name": "zone-c", "when": "temperature > 3"}
    await plant.rules.create(ALICE, own)
    with pytest.raises(Conflict, match=r"1 name\(s\) of the pack are in use: rule:zone-c") as told:
        await plant.packs.install(ALICE, NAME, Order())
    assert "--prefix" in told.value.remedy
    assert (await plant.everything()).keys() == {"rule:zone-c"}
    assert await plant.record() is None


async def test_a_key_that_is_computed_already_stops_it_before_anything_is_written(
    computing: Path,
) -> None:
    """The plant computes a severity of its own, of whatever device: the report says so first."""
    plant = Plant(computing)
    own = DerivationDocument("severity", "temperature * 2.0", selector=Selector())
    await plant.derivations.save(ALICE, "my-severity", own)
    before = await plant.everything()
    tried = await plant.packs.install(ALICE, NAME, Order(dry_run=True))
    assert outcomes(tried, Outcome.TAKEN) == {"derivation:b-severity": Outcome.TAKEN}
    (taken,) = [step for step in tried.steps if step.outcome is Outcome.TAKEN]
    assert "'my-severity'" in taken.reason
    for order in (Order(), Order(prefix="north-")):
        with pytest.raises(Conflict, match="b-severity") as told:
            await plant.packs.install(ALICE, NAME, order)
        assert "'my-severity'" in told.value.remedy
        assert "--prefix" not in told.value.remedy
        assert await plant.everything() == before
    assert await plant.record() is None


async def test_a_newer_version_that_would_clash_changes_nothing(computing: Path) -> None:
    """Version 2 gives another key, which the plant computes itself meanwhile."""
    plant = Plant(computing)
    await plant.packs.install(ALICE, NAME, Order())
    own = DerivationDocument("wear", "temperature * 2.0", selector=Selector())
    await plant.derivations.save(ALICE, "my-wear", own)
    before = await plant.everything()
    newer(
        computing,
        ("derivations/a-strain.yaml", "key: strain", "key: wear"),
        ("rules/worn.yaml", "strain > 2.0", "wear > 2.0"),
    )
    plant.packs = plant.made()
    with pytest.raises(Conflict, match="a-strain"):
        await plant.packs.install(ALICE, NAME, Order())
    assert await plant.everything() == before


async def test_a_newer_version_shows_what_differs_and_keeps_what_people_changed(
    library: Path,
) -> None:
    """A threshold that the plant has set stays; the pack's other news arrive."""
    plant = Plant(library)
    await plant.packs.install(ALICE, NAME, Order())
    hot = dict((await plant.rules.get(ALICE.tenant, "bearing-hot")).source, severity="info")
    await plant.rules.update(ALICE, "bearing-hot", hot)
    await plant.registry.assets.delete(ALICE, "pump-2")
    await plant.rules.set_enabled(ALICE, "zone-c", enabled=False)
    newer(
        library,
        ("rules/bearing-hot.yaml", "90[Cel]", "95[Cel]"),
        ("rules/zone-c.yaml", "for: 2m", "for: 3m"),
        ("rules/zone-d.yaml", "for: 1m", "for: 2m"),
    )
    (library / NAME / "rules" / "sensor-silent.yaml").unlink()
    packs = plant.packs = plant.made()

    tried = await packs.install(ALICE, NAME, Order(dry_run=True))
    (update,) = [step for step in tried.steps if step.outcome is Outcome.UPDATE]
    assert (update.item.key, update.changes) == ("rule:zone-d", ("for: 1m becomes 2m",))
    done = await packs.install(ALICE, NAME, Order())
    assert (done.version_before, done.pack.version) == (1, 2)
    assert outcomes(done, Outcome.KEEP, Outcome.DELETE) == {
        "rule:bearing-hot": Outcome.KEEP,
        "rule:zone-c": Outcome.KEEP,
        "asset:pump-2": Outcome.KEEP,
        "rule:sensor-silent": Outcome.DELETE,
    }
    assert (await plant.rules.get(ALICE.tenant, "bearing-hot")).source == hot
    assert not (await plant.rules.get(ALICE.tenant, "zone-c")).enabled
    assert plant.registry.assets.find(ALICE.tenant, "pump-2") is None
    with pytest.raises(NotFound):
        await plant.rules.get(ALICE.tenant, "sensor-silent")
    assert not (await packs.install(ALICE, NAME, Order())).changes


async def test_derived_telemetry_comes_before_what_reads_it_and_goes_behind(
    computing: Path,
) -> None:
    """A rule reads two keys of which one stands on the other; again nothing is changed."""
    plant = Plant(computing)
    report = await plant.packs.install(ALICE, NAME, Order())
    made = [step.item.key for step in report.steps]
    order = ["derivation:b-severity", "derivation:a-strain", "rule:worn"]
    assert [key for key in made if key in order] == order
    assert made.index("derivation:b-severity") > made.index("type:vibration-sensor")
    assert (await plant.derivations.get(ALICE.tenant, "a-strain")).inputs == ("severity",)
    assert not (await plant.packs.install(ALICE, NAME, Order())).changes

    done = await plant.packs.remove(ALICE, NAME)
    gone = [step.item.key for step in done.steps]
    assert [key for key in gone if key in order] == order[::-1]
    assert set(outcomes(done).values()) == {Outcome.DELETE}
    assert await plant.everything() == {}


async def test_each_install_computes_of_its_own_type(computing: Path) -> None:
    """Both give the same keys, and no device is meant by both."""
    plant = Plant(computing)
    await plant.packs.install(ALICE, NAME, Order())
    await plant.packs.install(ALICE, NAME, Order(prefix="north-"))
    found = await plant.derivations.get(ALICE.tenant, "north-b-severity")
    assert found.document.selector.type_name == "north-vibration-sensor"
    assert found.key == "severity"
    await plant.packs.remove(ALICE, NAME, "north-")
    assert {one.name for one in plant.derivations.of(ALICE.tenant)} == DERIVATIONS.keys()


async def test_a_newer_version_computes_anew_what_nobody_has_changed(computing: Path) -> None:
    """The plant's own way to compute stays; what the pack has no more goes."""
    plant = Plant(computing)
    await plant.packs.install(ALICE, NAME, Order())
    newer(
        computing,
        ("derivations/b-severity.yaml", "velocity_rms /", "mean(velocity_rms, 1m) /"),
    )
    plant.packs = plant.made()
    tried = await plant.packs.install(ALICE, NAME, Order(dry_run=True))
    (update,) = [step for step in tried.steps if step.outcome is Outcome.UPDATE]
    assert update.item.key == "derivation:b-severity"
    assert update.changes[0].startswith("value: velocity_rms /")
    await plant.packs.install(ALICE, NAME, Order())
    found = await plant.derivations.get(ALICE.tenant, "b-severity")
    assert (found.version, found.document.value[:5]) == (2, "mean(")

    own = replace(found.document, unit="1")
    await plant.derivations.save(ALICE, "b-severity", own)
    folder = computing / NAME
    for file in ("pack.yaml", "derivations/b-severity.yaml"):
        text = (folder / file).read_text()
        (folder / file).write_text(text.replace("version: 2", "version: 3").replace("1m", "2m"))
    for file in ("derivations/a-strain.yaml", "rules/worn.yaml"):
        (folder / file).unlink()
    plant.packs = plant.made()
    done = await plant.packs.install(ALICE, NAME, Order())
    assert outcomes(done, Outcome.KEEP, Outcome.DELETE) == {
        "derivation:b-severity": Outcome.KEEP,
        "rule:worn": Outcome.DELETE,
        "derivation:a-strain": Outcome.DELETE,
    }
    assert (await plant.derivations.get(ALICE.tenant, "b-severity")).document == own


async def test_what_others_stand_on_is_told_and_goes_the_next_time(computing: Path) -> None:
    """The plant computes a key of its own from the pack's."""
    plant = Plant(computing)
    await plant.packs.install(ALICE, NAME, Order())
    own = DerivationDocument("cost", "strain * 7.0", Selector(type_name="vibration-sensor"))
    await plant.derivations.save(ALICE, "cost", own)
    done = await plant.packs.remove(ALICE, NAME)
    kept = {step.item.key: step.reason for step in done.steps if step.outcome is Outcome.KEEP}
    assert kept.keys() == {"derivation:a-strain", "derivation:b-severity"}
    assert "'cost' reads 'strain'" in kept["derivation:a-strain"]
    await plant.derivations.delete(ALICE, "cost")
    await plant.packs.remove(ALICE, NAME)
    assert await plant.everything() == {}


async def test_the_right_to_compute_is_asked_for_as_well(computing: Path) -> None:
    """Refused before the first write."""
    plant = Plant(computing)
    plant.policy.denied.add("derivation:a-strain")
    with pytest.raises(Forbidden):
        await plant.packs.install(ALICE, NAME, Order())
    assert await plant.everything() == {}


@pytest.mark.parametrize("allowed", range(1, 16))
async def test_an_install_that_was_cut_off_anywhere_is_ended_by_the_next(
    allowed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk fails after so many writes; the next order makes the rest, each thing once."""
    whole = Plant()
    await whole.packs.install(ALICE, NAME, Order())
    plant = Plant()
    write, left = plant.registry.records.write, [allowed]

    async def failing(work: Any) -> Any:
        if not left[0]:
            raise StorageError("The disk is full.", remedy="Make room.")
        left[0] -= 1
        return await write(work)

    monkeypatch.setattr(plant.registry.records, "write", failing)
    try:
        await plant.packs.install(ALICE, NAME, Order())
    except StorageError:
        record = await plant.record()
        assert record is not None
        assert record.pending
    monkeypatch.setattr(plant.registry.records, "write", write)
    await plant.made().install(ALICE, NAME, Order())

    made, expected = await plant.everything(), await whole.everything()
    assert {key: version for key, (version, _) in made.items()} == {
        key: version for key, (version, _) in expected.items()
    }
    record = await plant.record()
    assert record is not None
    assert (record.made.keys(), record.pending) == (expected.keys(), {})


async def test_removing_takes_what_the_pack_made_and_nobody_changed() -> None:
    """A rule that the plant has made its own stays, and so does a type that has devices."""
    plant = Plant()
    await plant.packs.install(ALICE, NAME, Order())
    patch = AssetPatch(label="Our pump")
    await plant.registry.assets.patch(ALICE, "pump-1", patch)
    new = NewDevice("s-1", type_name="vibration-sensor")
    await plant.registry.devices.create(ALICE, new)

    tried = await plant.packs.remove(ALICE, NAME, dry_run=True)
    assert len(await plant.everything()) == len(tried.steps)
    done = await plant.packs.remove(ALICE, NAME)
    kept = {step.item.key: step.reason for step in done.steps if step.outcome is Outcome.KEEP}
    assert kept.keys() == {"asset:pump-1", "asset:plant", "type:vibration-sensor"}
    assert kept["asset:pump-1"] == "It was changed here."
    assert "1 device(s)" in kept["type:vibration-sensor"]
    assert (await plant.everything()).keys() == kept.keys()

    await plant.registry.devices.delete(ALICE, "s-1")
    again = await plant.packs.remove(ALICE, NAME)
    assert outcomes(again) == {
        "asset:plant": Outcome.KEEP,  # the pump that is theirs now stands below it
        "type:vibration-sensor": Outcome.DELETE,
    }
    await plant.registry.assets.delete(ALICE, "pump-1")
    await plant.packs.remove(ALICE, NAME)
    assert await plant.everything() == {}
    with pytest.raises(NotFound, match="is not installed"):
        await plant.packs.remove(ALICE, NAME)


async def test_what_was_there_before_with_the_same_words_is_not_taken_away() -> None:
    """The tenant's own type happens to say what the pack's says."""
    plant = Plant()
    pack = await plant.packs.get(NAME)
    await plant.registry.types.save(ALICE, "vibration-sensor", pack.items[0].document)
    await plant.packs.install(ALICE, NAME, Order())
    await plant.packs.remove(ALICE, NAME)
    assert (await plant.everything()).keys() == {"type:vibration-sensor"}


async def test_an_installer_may_not_write_what_he_could_not_write_himself() -> None:
    """The right to install is none to write rules: refused before the first write."""
    plant = Plant()
    plant.policy.denied.add("rule:zone-d")
    with pytest.raises(Forbidden):
        await plant.packs.install(ALICE, NAME, Order())
    assert await plant.everything() == {}
    plant.policy.denied.clear()
    await plant.packs.install(ALICE, NAME, Order())
    plant.policy.denied.add("asset:pump-1")
    with pytest.raises(Forbidden):
        await plant.packs.remove(ALICE, NAME)
    assert "asset:pump-1" in await plant.everything()


async def test_another_tenant_sees_and_loses_nothing() -> None:
    """Installs are a tenant's own."""
    plant = Plant()
    await plant.packs.install(ALICE, NAME, Order())
    assert await plant.packs.installs(MALLORY.tenant, NAME) == []
    with pytest.raises(NotFound):
        await plant.packs.remove(MALLORY, NAME)
    assert "rule:zone-d" in await plant.everything()
    with pytest.raises(NotFound, match="no pack 'nothing'"):
        await plant.packs.get("nothing")
