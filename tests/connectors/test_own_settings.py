"""What tenants may set up: the offered kinds, and what their settings may say."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from weft.connectors import own_settings as module
from weft.connectors.base import ConnectorSettings
from weft.connectors.credentials import Reference
from weft.connectors.described import settings_of
from weft.connectors.own_settings import (
    Offer,
    require_secrets,
    require_settings,
    secrets_of,
    table_with,
    with_tables,
)
from weft.connectors.registry import KINDS
from weft.connectors.rest import RestSettings
from weft.connectors.webhook import WebhookConnector
from weft.errors import ConfigurationError, Invalid

REST = settings_of(RestSettings)
CREATE = {"path": "/orders", "body": {"key": "{key}"}, "once": True, "id": "id"}


def test_every_kind_of_ours_is_offered_with_its_settings() -> None:
    """What it carries out, its page and its quality stand beside them."""
    kinds = {one.kind: one for one in Offer().kinds()}
    assert set(kinds) == set(KINDS)
    webhook = kinds["webhook"]
    assert webhook.page == "docs/howto/receive-webhooks.md"
    assert webhook.actions == ("notification", "webhook", "work_order")
    assert webhook.quality == "silver"
    assert webhook.settings == settings_of(KINDS["webhook"][0])


def test_a_kind_of_another_package_is_offered_where_the_operator_names_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its code may read this machine's files, so nobody else says that tenants may use it."""

    class Own(ConnectorSettings, frozen=True, kw_only=True):
        key: Reference

    found = {"tickets": (Own, WebhookConnector)}
    monkeypatch.setattr(module, "find_kind", found.get)
    with pytest.raises(Invalid, match="no kind 'tickets'"):
        Offer().settings_type("tickets")
    offer = Offer(("tickets",))
    assert offer.settings_type("tickets") is Own
    assert "tickets" in {one.kind for one in offer.kinds()}


def test_a_kind_whose_package_has_gone_is_told_and_not_offered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A package was taken out or breaks: the other tenants' connectors start all the same."""

    def find(kind: str) -> None:
        if kind == "broken":
            raise ConfigurationError("The connector kind 'broken' of x cannot be imported.")

    monkeypatch.setattr(module, "find_kind", find)
    with capture_logs() as told:
        offer = Offer(("abacus", "broken"))
    assert {one.kind for one in offer.kinds()} == set(KINDS)
    assert [(one["log_level"], one["kind"]) for one in told] == [
        ("error", "abacus"), ("error", "broken")
    ]  # fmt: skip
    with pytest.raises(Invalid, match="no kind 'abacus'"):
        offer.settings_type("abacus")


def test_seconds_and_addresses_are_looked_at_where_they_are_settings() -> None:
    """A body of a request may hold what it likes under such a name."""
    given: dict[str, Any] = {
        "url": "https://rest.example",
        "create": {**CREATE, "body": {"pause_s": 10**6, "url": "https://u:p@x"}},
    }
    require_settings(REST, given)
    with pytest.raises(Invalid, match="'settle_s' is 1e"):
        require_settings(REST, {**given, "settle_s": 10**6})
    require_settings(REST, {**given, "settle_s": "soon"})  # of another type: said elsewhere


def test_which_secrets_there_are_depends_on_what_was_chosen() -> None:
    """Of a key one is asked the key; a certificate may always be there."""
    given = {"url": "https://rest.example", "create": CREATE, "auth": {"kind": "key"}}
    names = secrets_of(REST, given)
    assert names == ["client_certificate.certificate", "client_certificate.key", "auth.key"]
    require_secrets(REST, given, {"auth.key": "k", "client_certificate.key": None})
    with pytest.raises(Invalid, match=r"'auth\.password' is no secret"):
        require_secrets(REST, given, {"auth.password": "p"})
    with pytest.raises(Invalid, match="is empty"):
        require_secrets(REST, given, {"auth.key": "  "})


def test_references_stand_where_secrets_are_set() -> None:
    """In the table that they belong to, made where it is not there; what is given stays."""
    given: dict[str, Any] = {"url": "https://rest.example", "auth": {"kind": "key"}}
    pair = ["client_certificate.certificate", "client_certificate.key"]
    table = table_with(REST, given, ["auth.key", *pair])
    assert table["auth"] == {"kind": "key", "key": "sealed:auth.key"}
    assert table["client_certificate"] == {
        "certificate": "sealed:client_certificate.certificate",
        "key": "sealed:client_certificate.key",
    }
    assert given == {"url": "https://rest.example", "auth": {"kind": "key"}}
    with pytest.raises(Invalid, match=r"'auth\.key' is missing"):
        table_with(REST, given, [])
    with pytest.raises(Invalid, match=r"'client_certificate\.key' is missing"):
        table_with(REST, given, ["auth.key", pair[0]])
    with pytest.raises(Invalid, match="'auth' is no table"):
        table_with(REST, {"auth": "none"}, ["auth.key"])


def test_the_tables_of_secrets_stand_in_what_is_saved() -> None:
    """Who reads settings and saves them again names these tables, and keeps the secrets."""
    given = {"url": "https://rest.example"}
    made = with_tables(given, ["client_certificate.key", "auth.key"])
    assert made == {**given, "client_certificate": {}, "auth": {}}
    assert given == {"url": "https://rest.example"}
