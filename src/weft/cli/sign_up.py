"""`weft sign-up`, `weft sign-in` and `weft user link`: how people come, from a terminal.

Passwords are asked for without an echo and never taken from the command line, where others
could read them; a script gives one on standard input.
"""

import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from weft.cli.client import Client, Refused, find_client
from weft.cli.output import show_json
from weft.cli.server import find_address
from weft.errors import Unauthenticated, WeftError
from weft.security.passwords import LENGTH_MAX, LENGTH_MIN, require_password
from weft.security.people import FIRST_ROLES, INVITATION_LIFE_S

RULES = (
    f"A password has {LENGTH_MIN} to {LENGTH_MAX} characters, any of them, and is not made of\n"
    "common words, runs as 12345, or your name. Four or five words that you would not\n"
    "write one after another will do."
)
TRIES = 3

URL_OPTION = click.option(
    "--url", envvar="WEFT_URL", help="The server (WEFT_URL); the one on the data folder if unset."
)


@click.command("sign-up")
@click.argument("token")
@click.option("--name", help="Your name; asked for if left out.")
@URL_OPTION
@click.pass_context
def sign_up(ctx: click.Context, *, token: str, name: str | None, url: str | None) -> None:
    """Make the account of a one-time link; TOKEN is the link or what stands behind its #."""
    link, _, behind = token.partition("#")
    if behind:
        address = urlsplit(link)
        url, token = url or f"{address.scheme}://{address.netloc}", behind
    client = _client(ctx.obj["data"], url)
    if sys.stdin.isatty():
        click.echo(f"{RULES}\n", err=True)
    name = name or click.prompt("Name", err=True)
    body = {"token": token, "name": name, "password": _new_password(name)}
    tokens = _send(
        client,
        "/sign-up",
        body,
        Unauthenticated(
            "This link was used already, or its time is over.",
            remedy="Ask for a new one; at the machine itself: weft user link",
        ),
    )
    _show_tokens(ctx, client, name, tokens)


@click.command("sign-in")
@click.argument("name")
@URL_OPTION
@click.pass_context
def sign_in(ctx: click.Context, *, name: str, url: str | None) -> None:
    """Sign in and print an access token."""
    client = _client(ctx.obj["data"], url)
    body = {"name": name, "password": _password("Password")}
    tokens = _send(
        client,
        "/sessions",
        body,
        Unauthenticated("The name or the password is not right.", remedy="Try again."),
    )
    _show_tokens(ctx, client, name, tokens)


@click.command("link")
@click.option(
    "--role",
    "roles",
    multiple=True,
    help="A role that the link gives, once for each; without any, an administrator's.",
)
@click.option("--life", "life_s", default=INVITATION_LIFE_S, help="How many seconds it is good.")
@click.pass_context
def user_link(ctx: click.Context, *, roles: tuple[str, ...], life_s: int) -> None:
    """Make a one-time sign-up link, at the machine itself."""
    client = find_client(ctx.obj["data"], ctx.obj["tenant"])
    wanted = {"roles": roles or [str(role) for role in FIRST_ROLES], "life_s": life_s}
    path = "/users/invitations"
    made = client.send("POST", path, body=json.dumps(wanted).encode()).value
    if ctx.obj["json"]:
        show_json(made)
        return
    click.echo(
        f"Good for one person, within {life_s // 60} minutes. Open\n\n  {made['link']}\n\n"
        f"or run\n\n  weft sign-up {made['token']}"
    )


def _send(client: Client, path: str, body: dict[str, Any], unproven: Unauthenticated) -> Any:
    try:
        return client.send("POST", path, body=json.dumps(body).encode()).value
    except Refused as error:
        if error.status == 401:
            raise unproven from error  # the server says to send a token, which is what we want
        raise


def _client(data: Path, url: str | None) -> Client:
    """Return a client that has no token yet."""
    return Client(url or find_address(data), "")


def _new_password(name: str) -> str:
    """Ask twice, until the two are the same and the rules are met."""
    if not sys.stdin.isatty():
        return _password("Password")
    for _ in range(TRIES):
        first = _password("Password")
        try:
            require_password(first, [name])
        except WeftError as error:
            click.echo(f"{error.detail} {error.remedy}", err=True)
            continue
        if _password("Password again") == first:
            return first
        click.echo("The two are not the same.", err=True)
    raise click.ClickException("No password was set; the link is still good. Try again.")


def _password(label: str) -> str:
    if sys.stdin.isatty():
        return str(click.prompt(label, hide_input=True, err=True))
    return sys.stdin.readline().rstrip("\r\n")


def _show_tokens(ctx: click.Context, client: Client, name: str, tokens: dict[str, Any]) -> None:
    if ctx.obj["json"]:
        show_json(tokens)
        return
    minutes = tokens["expires_in_s"] // 60
    click.echo(f"You are signed in as {name}. The access token is good for {minutes} minutes:\n")
    click.echo(f"  export WEFT_URL={client.url}")
    click.echo(f"  export WEFT_TOKEN={tokens['access_token']}\n")
    click.echo("With these two set, `weft` acts as you; so does any program that sends the token")
    click.echo(f"as a bearer. To sign in again: weft sign-in {name}")
