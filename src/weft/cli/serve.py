"""`weft up` and `weft check`: start everything; look at a configuration without starting."""

from collections.abc import Sequence
from pathlib import Path

import click
import msgspec
from rich.console import Console

from weft.app.folder import DataFolder
from weft.app.serve import Started, serve
from weft.cli.typed import typed
from weft.config import Config, load_config
from weft.observability.log import set_up_logging


def _configuration_options(command: click.Command) -> click.Command:
    for option in (
        click.Option(
            ["--set", "assignments"],
            multiple=True,
            metavar="PATH=VALUE",
            help="One setting, as api.listen=127.0.0.1:8081; wins over all other sources.",
        ),
        click.Option(
            ["--config"],
            type=click.Path(path_type=Path),
            envvar="WEFT_CONFIG",
            help="A TOML file with settings.",
        ),
        click.Option(
            ["--data"], type=click.Path(path_type=Path), help="The data folder (./weft-data)."
        ),
    ):
        command.params.insert(0, option)
    return command


@click.command("up")
@click.option("--demo", metavar="NAME", help="Also run a demonstration: factory.")
@click.pass_context
def up(
    ctx: click.Context,
    *,
    data: Path | None,
    config: Path | None,
    assignments: Sequence[str],
    demo: str | None,
) -> None:
    """Start everything and serve until Ctrl-C."""
    folder = DataFolder(data or ctx.obj["data"])
    if demo is not None:
        from weft.cli.demo import run_demo  # noqa: PLC0415  only when it is asked for

        run_demo(demo, folder, config, assignments)
        return
    settings = load_config(config, None, assignments)
    set_up_logging(settings.log.level, json=settings.log.json)
    serve(settings, folder, lambda started: greet(started, Console(stderr=True)))


@click.command("check")
@click.pass_context
def check(
    ctx: click.Context, *, data: Path | None, config: Path | None, assignments: Sequence[str]
) -> None:
    """Validate a configuration and show what would be in force."""
    settings = load_config(config, None, assignments)
    folder = DataFolder(data or ctx.obj["data"])
    click.echo(msgspec.json.format(msgspec.json.encode(_shown(settings)), indent=2).decode())
    state = "is new" if folder.is_new else "has data"
    click.echo(f"The configuration is valid; the data folder {folder.path} {state}.", err=True)


def _shown(settings: Config) -> dict[str, object]:
    """Return the settings as a document; secrets stand in files or variables, not here."""
    document: dict[str, object] = msgspec.to_builtins(settings)
    return document


def greet(started: Started, console: Console) -> None:
    """Say where everything is and what to do next."""
    endpoints, weft = started.endpoints, typed(started.data)
    replayed = f", {started.replayed} messages read again" if started.replayed else ""
    console.print(f"[bold]Weft is ready[/bold] ({started.ready_s:.1f} s{replayed})")
    for label, address in (
        ("dashboard", f"{endpoints.http or endpoints.https}/"),
        ("HTTP API", endpoints.http),
        ("HTTPS API", endpoints.https),
        ("MQTT", endpoints.mqtt),
        ("MQTT over TLS", endpoints.mqtts),
        ("CoAP", endpoints.coap),
        ("CoAP over DTLS", endpoints.coaps),
        ("data", started.data),
    ):
        if address:
            console.print(f"  {label:<14} {address}", highlight=False)
    if started.sign_up_token:
        minutes = started.sign_up_life_s // 60
        url = endpoints.http or endpoints.https
        console.print(
            f"\nNobody has signed up yet. Within {minutes} minutes, the first administrator "
            f"opens\n  {url}/sign-up#{started.sign_up_token}\nor runs\n"
            f"  {weft} sign-up {started.sign_up_token}",
            highlight=False,
            soft_wrap=True,
        )
    console.print("\nTry:", highlight=False)
    for words in ("device add pump-1", "simulate", "watch"):
        console.print(f"  {weft} {words}", highlight=False, soft_wrap=True)
    console.print("Stop: Ctrl-C\n")


_configuration_options(up)
_configuration_options(check)
