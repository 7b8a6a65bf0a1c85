"""The operation that shows where a thing came from and what came of it (promise 4)."""

from weft.api.operation import Call, Command, Operation
from weft.api.services import Services
from weft.errors import NotFound
from weft.rules.lineage import LineageGraph, LineageKind


async def get_lineage(services: Services, call: Call) -> LineageGraph:
    """Answer with the chain through a sample, alarm, rule, action or work order."""
    name = call.path["kind"]
    if name not in set(LineageKind):
        kinds = ", ".join(LineageKind)
        raise NotFound(f"There is no lineage of {name!r}.", remedy=f"Kinds are {kinds}.")
    return await services.lineage.trace(call.principal.tenant, LineageKind(name), call.path["key"])


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "get_lineage",
        "GET",
        "/lineage/{kind}/{key}",
        "Show the chain from sample to work order through a thing",
        get_lineage,
        action="lineage.read",
        target="{kind}:{key}",
        description="A sample is named by its journal position; anything else by its id.",
        result=LineageGraph,
        errors=(NotFound,),
        command=Command("lineage", "show"),
    ),
)
