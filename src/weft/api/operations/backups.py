"""Operations on backups: a snapshot in the data folder, for whoever holds the machine.

The snapshot is a copy of everything, keys included, so it is for the owner of the folder
alone: the command line on the machine asks for it, seals it into one file and removes it.
It is never sent anywhere; the platform's administrator may ask for one, a key never (AZ-6).
"""

from msgspec import Struct

from weft.api.operation import Call, Operation
from weft.api.seams import BackupInfo
from weft.api.services import Services
from weft.errors import Conflict, NotFound


class BackupView(Struct, frozen=True):
    """How far a snapshot is, and where it lies on the server's machine."""

    backup_id: str
    state: str
    step: str
    folder: str
    error: str


async def start_backup(services: Services, call: Call) -> BackupView:
    """Begin a snapshot; it is made beside the serving."""
    return _view(await services.backups.start(call.principal))


async def get_backup(services: Services, call: Call) -> BackupView:
    """Answer how far a snapshot is."""
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
