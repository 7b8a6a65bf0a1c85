"""What proves who calls, and what does not."""

import pytest
from tests.api.support import World

from weft.api.authentication import Presented, bearer_of, identify
from weft.errors import Unauthenticated


@pytest.mark.parametrize(
    ("header", "token"),
    [
        (None, None),
        (b"", None),
        (b"Basic YTpi", None),
        (b"Bearer ", None),
        (b"Bearer abc", "abc"),
        (b"bEaReR abc", "abc"),
        (b"Bearer \xff", None),
    ],
)
def test_a_bearer_token_is_read_as_rfc_6750_says(header: bytes | None, token: str | None) -> None:
    """The scheme in any case, the token in ASCII."""
    assert bearer_of(header) == token


async def test_a_token_counts_before_a_certificate(world: World) -> None:
    """A wrong token is not made good by whatever else came along."""
    wrong = Presented("nonsense", b"a certificate", "127.0.0.1")
    with pytest.raises(Unauthenticated):
        await identify(world.authenticator, world.operator, world.sessions, wrong)
    nothing = Presented(None, None, "127.0.0.1")
    with pytest.raises(Unauthenticated):
        await identify(world.authenticator, world.operator, world.sessions, nothing)


async def test_the_operator_is_weft_itself(world: World) -> None:
    """In the tenant that the token names."""
    token = world.operator.make_token(world.badges.known[world.admin()].principal.tenant)
    answer = await world.call("GET", "/whoami", token=token)
    assert (answer.json["kind"], answer.json["id"], answer.json["tenant"]) == (
        "system",
        "cli",
        "main",
    )
    world.clock.turn(61)
    assert (await world.call("GET", "/whoami", token=token)).status == 401
