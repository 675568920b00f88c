"""Files as polls: which device a file is, and when it was collected.

A file is a device, named by its path from the folder that its argument is in. A folder whose
files are all numbered is one device over time, named by the folder's path, and its file
number n was collected n poll intervals after the start. Any other file is number 0.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import NAMESPACE_URL, UUID, uuid5

from attrs import field, frozen

from snapshot_domain.errors import SnapshotIngestError
from snapshot_domain.model import DeviceId, TenantId
from snapshot_ingest.poller import PolledFile, PolledText

POLL_INTERVAL = timedelta(hours=6)

_NUMBER = re.compile(r"[0-9]+")
_CANONICAL_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class PublishError(SnapshotIngestError):
    """The files cannot be published as they were asked for."""


@frozen
class PublishedDevice:
    """A device that the files stand for. `path` is its file, or the folder of its series.

    `name` is what its id is made of: the POSIX path relative to the argument's parent folder.
    """

    device_id: DeviceId
    tenant_id: TenantId
    name: str
    path: Path


@frozen
class _NumberedFile:
    number: int
    path: Path
    device_id: DeviceId


@frozen
class Publication:
    """The devices to register, and the polls to publish.

    A publication that is repeated starts again one poll interval after its end, so that every
    device's time only goes forward.
    """

    devices: Sequence[PublishedDevice]
    tenant_id: TenantId
    start: datetime
    repeat: int
    _files: Sequence[_NumberedFile] = field(repr=False)

    @property
    def poll_count(self) -> int:
        """How many polls there are."""
        return len(self._files) * self.repeat

    def polls(self) -> Iterator[PolledFile]:
        """Each poll in the order of its time; a file is read when its turn comes.

        Raises `PublishError` if it cannot be read.
        """
        numbers_per_pass = _numbers_per_pass(self._files)
        for passed in range(self.repeat):
            for file in self._files:
                step = file.number + passed * numbers_per_pass
                yield PolledFile(
                    device_id=file.device_id,
                    tenant_id=self.tenant_id,
                    collected_at=self.start + step * POLL_INTERVAL,
                    text=_read(file.path),
                    path=str(file.path),
                )


def publication_of(
    arguments: Sequence[Path],
    *,
    tenant_id: TenantId,
    now: datetime,
    start: datetime | None = None,
    repeat: int = 1,
) -> Publication:
    """What the files and folders stand for, published `repeat` times.

    Without a `start`, the file with the highest number is collected now, on the last time.
    Every regular file counts, hidden ones too; symbolic links to folders are not followed.
    Raises `PublishError`.
    """
    if repeat < 1:
        raise PublishError(f"--repeat is {repeat}", expected="1 or more")
    if not arguments:
        raise PublishError("there is nothing to publish", expected="a file or a folder")
    devices, files = _found_below(arguments, tenant_id)
    files.sort(key=lambda file: (file.number, file.path))
    return Publication(
        devices=devices,
        tenant_id=tenant_id,
        start=_start_of(files, repeat, now, start),
        repeat=repeat,
        files=files,
    )


def parse_start(text: str) -> datetime:
    """The value of `--start`, in UTC. Raises `PublishError`."""
    try:
        start = datetime.fromisoformat(text)
        if start.tzinfo is not None:
            return start.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise PublishError(
        f"--start {text!r} is no time with an offset", expected="one like 2026-04-02T06:15:09Z"
    )


def parse_tenant(text: str) -> TenantId:
    """The value of `--tenant`. Raises `PublishError`."""
    if not _CANONICAL_UUID.fullmatch(text):
        raise PublishError(
            f"--tenant {text!r} is no UUID",
            expected="one like c2a9d7f4-1b3e-4c66-8f20-7d5e6f708192",
        )
    return TenantId(UUID(text))


def _found_below(
    arguments: Sequence[Path], tenant_id: TenantId
) -> tuple[list[PublishedDevice], list[_NumberedFile]]:
    devices: dict[DeviceId, PublishedDevice] = {}
    files: list[_NumberedFile] = []
    for given in arguments:
        argument = _with_a_name(given)
        for path, numbered in _devices_of(argument):
            name = path.relative_to(argument.parent).as_posix()
            device_id = _device_id_of(name)
            if device_id in devices:
                raise PublishError(
                    f"{_shown(devices[device_id].path)} and {_shown(path)} are both "
                    f"device {device_id}",
                    expected="each device once",
                    next_step="give their common parent folder instead, or one at a time",
                )
            devices[device_id] = PublishedDevice(device_id, tenant_id, name, path)
            files += (_NumberedFile(number, file, device_id) for number, file in numbered)
    return list(devices.values()), files


def _with_a_name(argument: Path) -> Path:
    """The argument itself, except where only the file system knows its name."""
    return argument.resolve() if argument.name in {"", ".."} else argument


def _devices_of(argument: Path) -> Iterator[tuple[Path, list[tuple[int, Path]]]]:
    """Each device's path and its files with their numbers."""
    if _is_file_or_else_folder(argument):
        _check_readable(argument)
        yield argument, [(0, argument)]
        return
    nothing_found = True
    for files in _files_by_folder(argument):
        nothing_found = False
        for file in files:
            _check_readable(file)
        if all(_NUMBER.fullmatch(file.stem) for file in files):
            yield files[0].parent, [(int(file.stem), file) for file in files]
        else:
            yield from ((file, [(0, file)]) for file in files)
    if nothing_found:
        raise PublishError(
            f"there is no file below {_shown(argument)}", expected="at least one configuration"
        )


def _is_file_or_else_folder(path: Path) -> bool:
    try:
        if path.is_file():
            return True
        if path.is_dir():
            return False
    except OSError as error:
        fault = _unreadable(path, error)
    else:
        fault = PublishError(
            f"{_shown(path)} is not there or is neither a file nor a folder",
            expected="a path to a file or a folder",
        )
    raise fault


def _files_by_folder(top: Path) -> Iterator[list[Path]]:
    """The files of each folder that has any, from `top` down, in order."""
    waiting = [top]
    while waiting:
        files, folders = _entries_of(waiting.pop())
        waiting += reversed(folders)
        if files:
            yield files


def _entries_of(folder: Path) -> tuple[list[Path], list[Path]]:
    try:
        entries = sorted(folder.iterdir())
        files = [entry for entry in entries if entry.is_file()]
        folders = [entry for entry in entries if entry.is_dir() and not entry.is_symlink()]
    except OSError as error:
        fault = _unreadable(folder, error)
    else:
        return files, folders
    raise fault


def _device_id_of(name: str) -> DeviceId:
    try:
        return DeviceId(uuid5(NAMESPACE_URL, f"snapshot-ingest:{name}"))
    except UnicodeEncodeError:
        pass
    raise PublishError(
        f"the name {name!r} is not UTF-8",
        expected="names in UTF-8, because a device's id is made of them",
        next_step="rename it",
    )


def _start_of(
    files: Sequence[_NumberedFile], repeat: int, now: datetime, start: datetime | None
) -> datetime:
    last_step = files[-1].number + (repeat - 1) * _numbers_per_pass(files)
    try:
        if start is None:
            return now.replace(microsecond=0) - last_step * POLL_INTERVAL
        # Only to see that the last one has a time at all.
        return (start + last_step * POLL_INTERVAL) - last_step * POLL_INTERVAL
    except OverflowError:
        pass
    raise PublishError(
        f"{_shown(files[-1].path)} would be collected outside of the years 1 to 9999",
        expected=f"numbers that count polls, {POLL_INTERVAL} apart, and not dates",
        next_step="rename the files, choose another --start, or lower --repeat",
    )


def _numbers_per_pass(files: Sequence[_NumberedFile]) -> int:
    return files[-1].number - files[0].number + 1


def _check_readable(path: Path) -> None:
    """Raises now, and not in the middle of publishing."""
    try:
        path.open("rb").close()
    except OSError as error:
        fault = _unreadable(path, error)
    else:
        return
    raise fault


def _read(path: Path) -> PolledText:
    try:
        return PolledText(path.read_bytes())
    except OSError as error:
        fault = _unreadable(path, error)
    raise fault


def _unreadable(path: Path, error: OSError) -> PublishError:
    return PublishError(
        f"{_shown(path)} cannot be read: {error.strerror}",
        expected="files and folders that this user may read",
    )


def _shown(path: Path) -> str:
    """On one line, whatever the name."""
    return repr(str(path))
