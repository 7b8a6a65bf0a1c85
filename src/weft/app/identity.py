"""Who is it, and may it: the security and registry stations, put together."""

import asyncio
from dataclasses import dataclass

from weft.api.operator import Operator, open_key
from weft.app.folder import DataFolder
from weft.config import SecuritySettings
from weft.model.device import Lifecycle
from weft.ports import Clock, Records
from weft.registry.arrivals import Arrivals
from weft.registry.assets import Assets
from weft.registry.attachments import Attachments
from weft.registry.bulk import Imports
from weft.registry.claiming import Claiming
from weft.registry.claims import Claims
from weft.registry.device_types import DeviceTypes
from weft.registry.devices import DeviceChange, Devices
from weft.registry.presence import Presence
from weft.registry.provisioning import Provisioning
from weft.registry.relations import Relations
from weft.registry.silence import Silences
from weft.registry.tenants import Tenants
from weft.security.audit import Audit
from weft.security.authentication import Authenticator
from weft.security.authorities import Authorities
from weft.security.authority import CertificateAuthority
from weft.security.connections import Connections
from weft.security.credentials import Credentials
from weft.security.enrolment import Enrolments
from weft.security.keys import Keys
from weft.security.limits import Limiter
from weft.security.passwords import PasswordHasher
from weft.security.people import People
from weft.security.policy import Policy
from weft.security.preshared_keys import PresharedKeys
from weft.security.revocation import Revocation
from weft.security.rotation import Rotation
from weft.security.secrets import MasterKey, Vault
from weft.security.sessions import Sessions
from weft.security.sign_in import SignIn
from weft.security.throttle import Throttle
from weft.security.tokens import AccessTokens


@dataclass(frozen=True)
class Identity:
    """Everything that knows principals, and what exists."""

    vault: Vault
    audit: Audit
    policy: Policy
    connections: Connections
    revocation: Revocation
    authority: CertificateAuthority
    credentials: Credentials
    enrolments: Enrolments
    authorities: Authorities
    arrivals: Arrivals
    rotation: Rotation
    preshared: PresharedKeys
    keys: Keys
    sessions: Sessions
    people: People
    sign_in: SignIn
    authenticator: Authenticator
    operator: Operator
    limiter: Limiter
    tenants: Tenants
    types: DeviceTypes
    devices: Devices
    assets: Assets
    attachments: Attachments
    relations: Relations
    presence: Presence
    silences: Silences
    claims: Claims
    claiming: Claiming
    imports: Imports
    provisioning: Provisioning


async def open_identity(
    folder: DataFolder, records: Records, clock: Clock, settings: SecuritySettings
) -> Identity:
    """Load keys, policy, credentials and the registry."""
    vault = Vault(MasterKey.open(folder.path), records)
    await vault.load()
    audit = Audit(records, clock, await vault.secret("audit"))
    pepper = await vault.secret("pepper")
    policy = Policy()
    connections = Connections(clock, settings.connections)
    revocation = Revocation(policy, connections)
    authority = await _open_authority(folder, vault, clock, settings)
    credentials = Credentials(records, audit, clock, pepper, authority, revocation)
    preshared = PresharedKeys(credentials, vault)
    keys = Keys(records, audit, clock, pepper, policy, revocation)
    tokens = AccessTokens([await vault.secret("access-token")], clock)
    sessions = Sessions(records, audit, clock, pepper, tokens)
    people = People(records, audit, clock, pepper, sessions, revocation)
    throttle = Throttle(clock, settings.throttle)
    authenticator = Authenticator(credentials, keys, sessions, throttle, clock, preshared)
    devices = Devices(records, audit, clock)
    assets = Assets(records, audit, clock)
    presence = Presence(records, clock)
    authorities = Authorities(records, audit, clock, authority)
    claims = Claims(records, audit, clock, pepper, vault)
    codes = (pepper, Throttle(clock, settings.throttle))
    given_out, noted = (credentials, preshared), (audit, authenticator.attempts)
    identity = Identity(
        vault=vault,
        audit=audit,
        policy=policy,
        connections=connections,
        revocation=revocation,
        authority=authority,
        credentials=credentials,
        enrolments=Enrolments(records, audit, clock, pepper, credentials),
        authorities=authorities,
        arrivals=Arrivals(records, audit, authorities, devices, credentials, clock),
        rotation=Rotation(records, audit, clock, credentials, connections),
        preshared=preshared,
        keys=keys,
        sessions=sessions,
        people=people,
        sign_in=SignIn(people, sessions, PasswordHasher(), throttle, audit),
        authenticator=authenticator,
        operator=Operator(open_key(folder.path), clock),
        limiter=Limiter(clock, settings.limits),
        tenants=Tenants(records, audit, clock),
        types=DeviceTypes(records, audit, clock),
        devices=devices,
        assets=assets,
        attachments=Attachments(records, audit, clock, devices, assets),
        relations=Relations(records, audit, clock, assets),
        presence=presence,
        silences=Silences(presence, clock),
        claims=claims,
        imports=Imports(records, clock, audit, devices, given_out, vault),
        claiming=Claiming(records, audit, clock, codes, devices, credentials),
        provisioning=Provisioning(records, claims, devices, given_out, noted, clock),
    )
    await _load(identity)
    return identity


async def _open_authority(
    folder: DataFolder, vault: Vault, clock: Clock, settings: SecuritySettings
) -> CertificateAuthority:
    authority = CertificateAuthority(
        folder.path / "certificates",
        (await vault.secret("certificates")).hex().encode(),
        clock,
        settings.certificates,
    )
    await asyncio.to_thread(authority.open, settings.server_names)
    return authority


async def _load(identity: Identity) -> None:
    await identity.credentials.load()
    await identity.enrolments.load()
    await identity.keys.load()
    await identity.sessions.load()
    await identity.people.load()
    await identity.tenants.load()
    await identity.types.load()
    await identity.devices.load()
    await identity.assets.load()
    await identity.attachments.load()
    await identity.presence.load()
    identity.presence.watch(identity.connections)
    identity.devices.on_change(identity.silences.changed)
    identity.devices.after_delete(identity.presence.forget)
    await identity.claims.load()
    identity.authenticator.claims = identity.claims
    identity.arrivals.join(identity.authenticator, identity.revocation)
    await identity.authorities.load()
    await identity.imports.load()
    for tenant in identity.tenants.list():
        devices = await identity.devices.list(tenant.id, limit=1_000_000)
        active = [one for one in devices if one.lifecycle is Lifecycle.ACTIVE]
        identity.policy.set_devices((one.tenant, one.uid) for one in active)
        identity.policy.set_gateways(
            (one.tenant, one.device_id, one.gateway) for one in devices if one.gateway
        )
        for one in devices:
            if one.waits:
                identity.policy.set_waiting(one.tenant, one.uid)
    identity.devices.on_change(lambda change: _device_changed(identity, change))


def _device_changed(identity: Identity, change: DeviceChange) -> None:
    """A right may have ended: the policy first, then every live connection (RV-1)."""
    old, new = change.old, change.new
    identity.policy.set_gateway(
        change.device.tenant, change.device.device_id, new.gateway if new else ""
    )
    if new is None:
        identity.credentials.forget(change.device)
        identity.enrolments.forget(change.device)
    elif old is None or old.lifecycle is not new.lifecycle:
        active = new.lifecycle is Lifecycle.ACTIVE
        identity.revocation.device_changed(new.tenant, new.uid, active=active)
        if new.waits:
            identity.policy.set_waiting(new.tenant, new.uid)
