"""Secrets at rest: sealed so that the database alone gives none of them away (CR-1).

A master key in a file of its own wraps one data key per tenant, and the data key seals
fields with AES-256-GCM. What is sealed is bound to its tenant, kind, id and key version:
moved to another place it does not open. Rotating the master key rewraps the data keys;
destroying a tenant's data keys destroys all that was sealed for it (CR-3).
"""

import asyncio
import base64
import os
import stat
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from msgspec import Struct

from weft.errors import ConfigurationError, Damaged, NotFound
from weft.model.ids import TenantId, new_id
from weft.ports import Kind, Records, Writer

FILE_NAME = "master.key"
PLATFORM = TenantId("")
NONCE_BYTES = 12


class WrappedKey(Struct, frozen=True):
    """A key that only the master key opens."""

    tenant: TenantId
    name: str  # version of a tenant's data key, or name of a platform secret
    master_id: str
    wrapped: bytes


DATA_KEY: Kind[WrappedKey] = Kind("data_key", WrappedKey)
PLATFORM_SECRET: Kind[WrappedKey] = Kind("platform_secret", WrappedKey)


class MasterKey:
    """The key file: one line per master key, `id base64`, the first one current.

    There are two lines only while a rotation is under way.
    """

    def __init__(self, path: Path, keys: dict[str, bytes]) -> None:
        self._path = path
        self._keys = keys

    @classmethod
    def open(cls, folder: Path) -> "MasterKey":
        """Read the key file, or make one (mode 0600) where there is none."""
        path = folder / FILE_NAME
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        except FileNotFoundError:
            key = cls(path, {new_id(): os.urandom(32)})
            key._write(exclusive=True)
            return key
        with os.fdopen(descriptor) as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise ConfigurationError(
                    f"Others may read the master key at {path}.",
                    remedy=f"Run: chmod 600 {path} - and rotate it if it may have been read.",
                )
            return cls(path, _parse(file.read(), path))

    @property
    def current(self) -> str:
        """Id of the key that wraps from now on."""
        return next(iter(self._keys))

    def wrap(self, purpose: str, plain: bytes) -> tuple[str, bytes]:
        """Seal under the current key; return that key's id and what was sealed."""
        nonce = os.urandom(NONCE_BYTES)
        sealed = AESGCM(self._derive(self.current, purpose)).encrypt(nonce, plain, purpose.encode())
        return self.current, nonce + sealed

    def unwrap(self, master_id: str, purpose: str, sealed: bytes) -> bytes:
        """Open what `wrap` sealed, or raise `Damaged`."""
        if master_id not in self._keys:
            raise Damaged(
                f"A key was sealed under master key {master_id}, which {self._path} lacks.",
                remedy="Put back the key file that belongs to this data folder.",
            )
        try:
            return AESGCM(self._derive(master_id, purpose)).decrypt(
                sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], purpose.encode()
            )
        except InvalidTag as error:
            raise Damaged(
                f"A sealed key ({purpose}) does not open.",
                remedy="Restore the data folder and its key file from the same backup.",
            ) from error

    def add(self) -> None:
        """Make a new current key and keep the old ones until `drop_old`."""
        self._keys = {new_id(): os.urandom(32)} | self._keys
        self._write(exclusive=False)

    def drop_old(self) -> None:
        """Forget all keys but the current one."""
        self._keys = {self.current: self._keys[self.current]}
        self._write(exclusive=False)

    def _derive(self, master_id: str, purpose: str) -> bytes:
        kdf = HKDF(SHA256(), 32, salt=None, info=b"weft/" + purpose.encode())
        return kdf.derive(self._keys[master_id])

    def _write(self, *, exclusive: bool) -> None:
        text = "".join(f"{i} {base64.b64encode(k).decode()}\n" for i, k in self._keys.items())
        target = self._path if exclusive else self._path.with_suffix(".new")
        flags = os.O_WRONLY | os.O_CREAT | (os.O_EXCL if exclusive else os.O_TRUNC)
        descriptor = os.open(target, flags, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if not exclusive:
            target.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _parse(text: str, path: Path) -> dict[str, bytes]:
    keys: dict[str, bytes] = {}
    try:
        for line in text.splitlines():
            name, encoded = line.split(" ")
            keys[name] = base64.b64decode(encoded, validate=True)
    except ValueError as error:
        raise _unusable(path) from error
    if not keys or any(len(key) != 32 for key in keys.values()):
        raise _unusable(path)
    return keys


def _unusable(path: Path) -> ConfigurationError:
    return ConfigurationError(
        f"The master key at {path} cannot be read.",
        remedy="Put back the file from the backup that belongs to this data folder.",
    )


class Vault:
    """Seals and opens fields with the data keys of tenants, all held in memory."""

    def __init__(self, master: MasterKey, records: Records) -> None:
        self._master = master
        self._records = records
        self._keys: dict[TenantId, dict[str, bytes]] = {}  # oldest first, the last current
        self._secrets: dict[str, bytes] = {}
        self._making = asyncio.Lock()  # two first uses at once make one key

    async def load(self) -> None:
        """Unwrap all keys, and finish a master key rotation that was interrupted."""
        wrapped = await self._records.read(
            lambda r: [
                stored.value
                for kind in (DATA_KEY, PLATFORM_SECRET)
                for tenant in r.tenants(kind)
                for stored in r.list(kind, tenant, limit=1_000_000)
            ]
        )
        stale = False
        for key in wrapped:
            plain = self._master.unwrap(key.master_id, _purpose(key), key.wrapped)
            stale = stale or key.master_id != self._master.current
            if key.tenant == PLATFORM and not key.name.isdigit():
                self._secrets[key.name] = plain
            else:
                self._keys.setdefault(key.tenant, {})[key.name] = plain
        if stale:
            await self._rewrap()

    async def secret(self, name: str) -> bytes:
        """Return a named 32-byte secret of the platform, made at first use."""
        async with self._making:
            if name not in self._secrets:
                plain = os.urandom(32)
                key = self._wrapped(PLATFORM, name, plain)
                await self._records.write(lambda w: w.insert(PLATFORM_SECRET, PLATFORM, name, key))
                self._secrets[name] = plain
        return self._secrets[name]

    async def add_tenant(self, tenant: TenantId) -> None:
        """Give a tenant its first data key, unless it has one."""
        async with self._making:
            if tenant not in self._keys:
                await self._add_key(tenant)

    async def rotate_tenant(self, tenant: TenantId) -> None:
        """Seal with a new data key from now on; what was sealed before still opens."""
        async with self._making:
            await self._add_key(tenant)

    async def _add_key(self, tenant: TenantId) -> None:
        versions = self._keys.get(tenant, {})
        name = f"{len(versions) + 1:08d}"
        plain = os.urandom(32)
        key = self._wrapped(tenant, name, plain)
        await self._records.write(lambda w: w.insert(DATA_KEY, tenant, name, key))
        self._keys.setdefault(tenant, {})[name] = plain

    async def erase_tenant(self, tenant: TenantId) -> None:
        """Destroy a tenant's data keys: nothing sealed for it ever opens again."""

        def work(writer: Writer) -> None:
            for stored in writer.list(DATA_KEY, tenant, limit=1_000_000):
                writer.delete(DATA_KEY, tenant, stored.key)

        await self._records.write(work)
        self._keys.pop(tenant, None)

    async def rotate_master(self) -> None:
        """Replace the master key; the old one opens nothing afterwards."""
        self._master.add()
        await self._rewrap()

    def seal(self, tenant: TenantId, kind: str, record_id: str, plain: bytes) -> str:
        """Seal one field of one record; the text holds all that opening needs but the key."""
        versions = self._keys.get(tenant)
        if not versions:
            raise _no_key(tenant)
        version = next(reversed(versions))
        nonce = os.urandom(NONCE_BYTES)
        sealed = AESGCM(versions[version]).encrypt(
            nonce, plain, _bound_to(tenant, kind, record_id, version)
        )
        return f"{version}:{base64.b64encode(nonce + sealed).decode()}"

    def unseal(self, tenant: TenantId, kind: str, record_id: str, sealed: str) -> bytes:
        """Open a field, or raise `Damaged`: changed, or brought here from elsewhere."""
        version, _, encoded = sealed.partition(":")
        key = self._keys.get(tenant, {}).get(version)
        if key is None:
            raise _no_key(tenant)
        try:
            data = base64.b64decode(encoded, validate=True)
            bound = _bound_to(tenant, kind, record_id, version)
            return AESGCM(key).decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], bound)
        except (InvalidTag, ValueError) as error:
            raise Damaged(
                f"The sealed {kind} {record_id} does not open.",
                remedy="It was changed or copied from elsewhere: set the secret again.",
            ) from error

    def _wrapped(self, tenant: TenantId, name: str, plain: bytes) -> WrappedKey:
        key = WrappedKey(tenant, name, "", b"")
        master_id, wrapped = self._master.wrap(_purpose(key), plain)
        return WrappedKey(tenant, name, master_id, wrapped)

    async def _rewrap(self) -> None:
        data = [
            (DATA_KEY, self._wrapped(tenant, name, plain))
            for tenant, versions in self._keys.items()
            for name, plain in versions.items()
        ]
        named = [
            (PLATFORM_SECRET, self._wrapped(PLATFORM, name, plain))
            for name, plain in self._secrets.items()
        ]

        def work(writer: Writer) -> None:
            for kind, key in data + named:
                writer.put(kind, key.tenant, key.name, key)

        await self._records.write(work)
        self._master.drop_old()


def _purpose(key: WrappedKey) -> str:
    return f"wrap|{key.tenant}|{key.name}"


def _bound_to(tenant: TenantId, kind: str, record_id: str, version: str) -> bytes:
    return f"{tenant}\x1f{kind}\x1f{record_id}\x1f{version}".encode()


def _no_key(tenant: TenantId) -> NotFound:
    return NotFound(
        f"Tenant {tenant!r} has no data key for this.",
        remedy="Its secrets were erased, or the tenant was never made.",
    )
