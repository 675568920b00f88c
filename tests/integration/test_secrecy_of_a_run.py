"""`run` with secrets that every server refuses: none is in what it prints, or is started with."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from signal import SIGTERM

import pytest
from attrs import field, frozen

from snapshot_conformance.secret_canary import SecretCanary
from snapshot_conformance.secret_canary_objects import Content
from snapshot_conformance.secret_canary_places import FilesPlace, ReadPlace
from snapshot_conformance.secret_canary_report import reported
from snapshot_ingest.stack import EmbeddedStack
from support.command import running
from support.http import fetched
from support.proc import command_lines, core_limit
from support.real_world import RealWorld, real_world
from support.waiting import until_true

_REFUSED_SECONDS = 60


@pytest.fixture
async def world(stack: EmbeddedStack, tmp_path: Path) -> AsyncIterator[RealWorld]:
    async with real_world(stack, tmp_path) as world:
        yield world


@frozen
class _ProcessList:
    """The command lines of all processes; a control is a process of its own."""

    planted: list[asyncio.subprocess.Process] = field(factory=list)

    async def read(self) -> Iterable[Content]:
        return command_lines()

    async def plant(self, content: bytes) -> None:
        argv = ("sh", "-c", "read line", content)
        self.planted.append(await asyncio.create_subprocess_exec(*argv, stdin=subprocess.PIPE))

    async def end(self) -> None:
        for process in self.planted:
            await process.communicate(b"\n")


def _outputs(folder: Path) -> list[Path]:
    return sorted(folder.glob("output-*"))


async def test_a_worker_whose_secrets_are_refused_shows_none_and_dumps_no_core(
    stack: EmbeddedStack, world: RealWorld, tmp_path: Path
) -> None:
    canary, secret = SecretCanary(), tmp_path / "refused"
    secret.write_text(canary.text, "utf-8")
    files = [
        f"postgres.password_file={secret}",
        f"openbao.secret_id_file={secret}",
        f"nats.password_file={secret}",
        "nats.user=any",
    ]
    settings = [word for each in files for word in ("--set", each)]
    command = ("--config", world.config, "--log-level", "DEBUG", *settings, "run")
    processes, answers = _ProcessList(), list[Content]()
    async with running(*command, folder=tmp_path) as worker:
        url = await worker.worker_url()

        async def are_refused() -> bool:
            answer = await fetched(f"{url}/readyz")
            answers.append(answer.content)
            return {"cipher", "repository"} <= set(answer.json()["faults"])

        await until_true(are_refused, seconds=_REFUSED_SECONDS)
        answers.append((await fetched(f"{url}/metrics")).content)
        assert core_limit(worker.pid) == "0 0"
        addresses = stack.addresses
        try:
            report = await reported(
                canary,
                [
                    FilesPlace("what it prints", _outputs(tmp_path)),
                    FilesPlace("OpenBao's audit log", [addresses.openbao_audit_log]),
                    FilesPlace("OpenBao's log", [addresses.openbao_log]),
                    FilesPlace("PostgreSQL's log", [addresses.postgres_log]),
                    FilesPlace("NATS' log", [addresses.nats_log]),
                    ReadPlace("the process list", processes.read, processes.plant),
                ],
            )
        finally:
            await processes.end()
        assert not any(canary.is_in(answer) for answer in answers)
        worker.signal(SIGTERM)
        assert await worker.ended() == 0
    print(f"\n{report}", flush=True)  # noqa: T201 - the proof, for whoever asks for it
    assert report.is_proof, str(report)
