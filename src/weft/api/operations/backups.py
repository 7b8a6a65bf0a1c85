"""Operations on backups: a snapshot in the data folder, for whoever holds the machine.

The snapshot is a copy of everything, keys included, so it is for the owner of the folder
alone: the command line on the machine asks for it, seals it into one file and removes it.
It is never sent anywhere, and who asks over the network is refused, administrators as well.
"""

from msgspec import Struct

from weft.api.operation import Call, Operation
from weft.api.seams import BackupInfo
from weft.api.services import Services
from weft.errors import Conflict, Forbidden, NotFound
from weft.model.principal import PrincipalKind


class BackupView(Struct, frozen=True):
    """How far a snapshot is, and where it lies on the server's machine."""

    backup_id: str
    state: str
    step: str
    folder: str
    error: str


def _require_operator(call: Call) -> None:
    if call.principal.kind is not PrincipalKind.SYSTEM:
        raise Forbidden(
            "A backup is made at the machine itself.",
            remedy="There, as the owner of the data folder: weft backup FILE",
        )


async def start_backup(services: Services, call: Call) -> BackupView:
    """Begin a snapshot; it is made beside the serving."""
    _require_operator(call)
    return _view(await services.backups.start(call.principal))


async def get_backup(services: Services, call: Call) -> BackupView:
    """Answer how far a snapshot is."""
    _require_operator(call)
    return _view(services.backups.get(call.path["backup_id"]))


def _view(backup: BackupInfo) -> BackupView:
    return BackupView(backup.backup_id, backup.state, backup.step, backup.folder, backup.error)


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "start_backup",
        "POST",
        "/backups",
        "Begin a snapshot for a backup",
        start_backup,
        action="backup.create",
        description="It lies in the data folder of the server; `weft backup` seals and removes it.",
        result=BackupView,
        status=202,
        errors=(Conflict,),
    ),
    Operation(
        "get_backup",
        "GET",
        "/backups/{backup_id}",
        "Show how far a snapshot is",
        get_backup,
        action="backup.create",
        result=BackupView,
        errors=(NotFound,),
    ),
)
