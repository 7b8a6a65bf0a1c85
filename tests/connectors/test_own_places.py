"""Where settings lead: each address by its setting, what names a system, what is shown."""

from typing import Any

import pytest

from weft.connectors.base import ConnectorSettings
from weft.connectors.described import settings_of
from weft.connectors.odoo import OdooSettings
from weft.connectors.own_places import (
    addresses_of,
    moved_secrets,
    origins_of,
    require_plain,
    shown,
    system_of,
)
from weft.connectors.rest import RestSettings
from weft.connectors.salesforce import SalesforceSettings
from weft.errors import Invalid

REST = settings_of(RestSettings)
LOGIN = {"kind": "oauth2", "token_url": "https://login.example/token"}
GIVEN: dict[str, Any] = {"url": "https://Rest.example:8443/a", "auth": LOGIN}


def test_origins_are_told_apart_by_their_setting() -> None:
    """The server that hands out tokens is one of them."""
    assert origins_of(REST, GIVEN) == {
        "url": ("https", "rest.example:8443"),
        "auth.token_url": ("https", "login.example"),
    }


def test_an_address_that_takes_the_place_of_another_has_moved() -> None:
    """Both hosts were known before; still each secret would go to the other one's."""
    swapped = {"url": GIVEN["url"], "auth": {**LOGIN, "token_url": "https://rest.example:8443/t"}}
    assert moved_secrets(REST, GIVEN, swapped) == ["auth.token_url"]
    alone = {"url": "https://login.example"}
    assert moved_secrets(REST, GIVEN, alone) == ["url"]
    assert moved_secrets(REST, GIVEN, {"url": "https://rest.example:8443/b"}) == []
    assert moved_secrets(REST, {"url": GIVEN["url"]}, GIVEN) == ["auth.token_url"]


def test_whatever_looks_like_an_address_in_a_kind_of_another_package_is_one() -> None:
    """Its settings have names that nobody here knows."""

    class Own(ConnectorSettings, frozen=True, kw_only=True):
        server: str = ""
        mirrors: tuple[str, ...] = ()
        note: str = ""

    given = {"url": "https://a", "server": "https://b", "mirrors": ["https://c"], "note": "d"}
    assert list(addresses_of(settings_of(Own), given)) == [
        ("url", "https://a"), ("server", "https://b"), ("mirrors[0]", "https://c")
    ]  # fmt: skip


def test_what_names_a_system_is_its_address_and_what_its_kind_says() -> None:
    """A default that is written out is the same system; another database is another."""
    odoo = {"url": "https://erp.example/"}
    assert system_of(OdooSettings, odoo) == system_of(OdooSettings, {"url": "https://ERP.example"})
    assert system_of(OdooSettings, odoo) != system_of(OdooSettings, {**odoo, "database": "b"})
    assert system_of(OdooSettings, odoo) == system_of(OdooSettings, {**odoo, "timeout_s": 3})
    sales = {"url": "https://x.example"}
    written = {**sales, "object": "WorkOrder"}
    assert system_of(SalesforceSettings, sales) == system_of(SalesforceSettings, written)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://u:p@Erp.example:8443/a/b?sig=SECRET#x", "https://erp.example:8443/a/b"),
        ("https://erp.example", "https://erp.example"),
        ("weft:", "weft:"),
        ("https://[", ""),
        ("no address", ""),
    ],
)
def test_of_an_address_is_shown_where_it_is(url: str, said: str) -> None:
    """No user, no query: they may be secrets."""
    assert shown(url) == said


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://rest.example/x?sig=SECRET", "holds a query"),
        ("https://rest.example/x?", "holds a query"),
        ("https://rest.example/x#SECRET", "holds a query"),
        ("https://u:p@rest.example", "user name or password"),
        ("https://[", "is no address"),
    ],
)
def test_an_address_that_holds_more_is_refused(url: str, words: str) -> None:
    """It would stand in the clear; the answer does not repeat it."""
    with pytest.raises(Invalid, match=words) as refused:
        require_plain(REST, {"url": url})
    assert "SECRET" not in refused.value.detail + refused.value.remedy
    require_plain(REST, {"url": "https://rest.example", "page": "https://rest.example/o?id={id}"})
