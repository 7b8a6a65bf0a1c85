"""Relations: named edges across the tree, as a tank that feeds a line or a truck that tows.

An edge has a direction and a name, stands once, and goes with either of its ends: no
relation names an asset that is not there.
"""

import builtins
from typing import Final

from weft.errors import Conflict, NotFound, QuotaExceeded
from weft.model.asset import Asset, Relation
from weft.model.ids import AssetId, TenantId, require_name
from weft.model.principal import Principal
from weft.ports import Clock, Reader, Records, Writer
from weft.registry.assets import Assets
from weft.registry.kinds import ASSETS, RELATIONS
from weft.security.audit import Audit

RELATIONS_PER_ASSET: Final = 256  # in each direction


class Relations:
    """The relations of all tenants."""

    def __init__(self, records: Records, audit: Audit, clock: Clock, assets: Assets) -> None:
        self._records = records
        self._audit = audit
        self._clock = clock
        assets.in_delete(_forget)

    async def relate(self, actor: Principal, source: str, name: str, target: str) -> Relation:
        """Relate one asset to another; the same again is no change.

        Raises `Conflict` for an asset and itself, `QuotaExceeded` beyond 256 at either end.
        """
        tenant = actor.tenant
        require_name(name, "name of a relation")
        if source == target:
            raise Conflict(f"{source!r} cannot be related to itself.", remedy="Name another asset.")
        relation = Relation(
            tenant, name, AssetId(source), AssetId(target), self._clock.now(), str(actor)
        )

        def work(writer: Writer) -> Relation:
            for end in (source, target):
                _require_asset(writer, tenant, end)
            known = writer.find(RELATIONS, tenant, relation.key)
            if known is not None:
                return known.value
            for where in (("from", source), ("to", target)):
                if writer.count(RELATIONS, tenant, where=where) >= RELATIONS_PER_ASSET:
                    raise QuotaExceeded(
                        f"{where[1]!r} has {RELATIONS_PER_ASSET} relations that way already.",
                        remedy="Say with the tree or a tag what belongs together.",
                    )
            writer.insert(RELATIONS, tenant, relation.key, relation)
            detail = {"name": name, "to": target}
            self._audit.entry(writer, actor, "asset.relate", f"asset:{source}", detail=detail)
            return relation

        return await self._records.write(work)

    async def unrelate(self, actor: Principal, source: str, name: str, target: str) -> None:
        """Take a relation away, or raise `NotFound`."""
        tenant = actor.tenant

        def work(writer: Writer) -> None:
            if not writer.delete(RELATIONS, tenant, f"{source}/{name}/{target}"):
                raise NotFound(
                    f"{source!r} has no relation {name!r} to {target!r}.",
                    remedy=f"See weft asset relations {source}",
                )
            detail = {"name": name, "to": target}
            self._audit.entry(writer, actor, "asset.unrelate", f"asset:{source}", detail=detail)

        await self._records.write(work)

    async def list(
        self,
        tenant: TenantId,
        asset_id: str,
        *,
        inward: bool = False,
        after: str = "",
        limit: int = 100,
    ) -> builtins.list[Relation]:
        """Return the relations that begin at an asset, or with `inward` those that end there."""
        where = ("to" if inward else "from", asset_id)
        records = await self._records.read(
            lambda reader: reader.list(RELATIONS, tenant, where=where, after=after, limit=limit)
        )
        return [record.value for record in records]


def _require_asset(reader: Reader, tenant: TenantId, asset_id: str) -> None:
    if reader.find(ASSETS, tenant, asset_id) is None:
        raise NotFound(f"There is no asset {asset_id!r}.", remedy="See weft asset list.")


def _forget(writer: Writer, _actor: Principal, asset: Asset) -> None:
    for where in (("from", asset.asset_id), ("to", asset.asset_id)):
        for record in writer.list(RELATIONS, asset.tenant, where=where, limit=10_000):
            writer.delete(RELATIONS, asset.tenant, record.key)
