"""What the policy does not allow is not offered either."""

from playwright.sync_api import Browser, expect
from tests.web.support import Server, opened, without


def test_who_may_write_no_view_is_offered_none(
    browser: Browser, weft: Server, signed_in: object
) -> None:
    """The saved ones are opened; there is no button to save, share or delete."""
    view = {"name": "only-read", "page": "explore", "shared": True, "query": {}}
    made = weft.call("POST", "/views", view)
    with opened(browser, weft, state=signed_in) as (page, watched):
        without(page, "view.write")
        page.goto("/explore?devices=pump-1&keys=vibration")
        views = page.get_by_role("region", name="Saved views")
        expect(views.get_by_role("button", name="only-read")).to_have_count(1)
        expect(page.get_by_role("button", name="Save")).to_have_count(0)
        expect(views.get_by_role("button", name="Share")).to_have_count(0)
        watched.require_clean()
    weft.call("DELETE", f"/views/{made['view_id']}")


def test_who_may_replay_no_rule_is_shown_no_history_beside_it(
    browser: Browser, weft: Server, signed_in: object
) -> None:
    """The preview asks for the same right as a replay."""
    with opened(browser, weft, state=signed_in) as (page, watched):
        without(page, "rule.replay")
        page.goto("/new-rule")
        page.get_by_role("region", name="What it looks for").wait_for()
        expect(page.get_by_role("region", name="On real history")).to_have_count(0)
        watched.require_clean()


def test_who_may_add_no_device_is_not_sent_to(
    browser: Browser, weft: Server, signed_in: object
) -> None:
    """Where there is none yet, the list says so, and that is all."""
    with opened(browser, weft, state=signed_in) as (page, watched):
        without(page, "device.create")
        page.route("**/api/v1/devices?*", lambda route: route.fulfill(json={"items": []}))
        page.goto("/devices")
        page.get_by_text("No devices yet").wait_for()
        expect(page.get_by_role("link", name="Add a device")).to_have_count(0)
        watched.require_clean()
