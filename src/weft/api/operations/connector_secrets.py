"""Operations on secrets of connectors: put under a seal, and never shown again.

A sealed secret is the platform's, as the configuration that names it is: a tenant's
administrator neither puts one nor replaces one that other tenants' connectors use.
"""

from typing import Annotated

from msgspec import Meta, Struct

from weft.api.operation import Call, Operation
from weft.api.services import Services
from weft.errors import Invalid


class ConnectorSecret(Struct, frozen=True, forbid_unknown_fields=True):
    """A secret that the configuration names as sealed:NAME."""

    secret: Annotated[
        str, Meta(min_length=1, max_length=16_000, extra_json_schema={"format": "password"})
    ]


async def seal_secret(services: Services, call: Call) -> None:
    """Seal a secret under a name."""
    await services.connectors.seal(call.principal, call.path["name"], call.body.secret)


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "seal_connector_secret",
        "PUT",
        "/connector-secrets/{name}",
        "Seal a secret of a connector",
        seal_secret,
        action="connector.seal",
        target="credential:{name}",
        tag="connectors",
        description="The configuration names it sealed:NAME. It is never shown again.",
        body=ConnectorSecret,
        errors=(Invalid,),
        example={"secret": "what the business system gave you"},
    ),
)
