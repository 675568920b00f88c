"""A secret through every fault of the adapter for OpenBao: hvac, requests, urllib3, odd answers."""

import asyncio
import json
import ssl
import threading
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch
from uuid import uuid4

import urllib3.exceptions
import urllib3.response
from requests import PreparedRequest, Response, Session
from requests.exceptions import RequestException

from secrecy_drives.driver_errors import every_error, loaded
from snapshot_conformance.secret_canary_watch import SecretWatch
from snapshot_domain.model import Ciphertext, DataKeyId, TenantId, WrappedKey
from snapshot_domain.ports import Cipher, CipherItem, DecryptorItem, OwnKey, TenantKey
from snapshot_domain.secret import RawMessage, Secret
from snapshot_openbao import (
    Address,
    AppRoleLogin,
    CompressedCipher,
    EnvelopeCipher,
    Login,
    OpenBao,
    SealedBodyCipher,
    SecretFile,
    SecretText,
    Timing,
    TokenLogin,
    TransitCipher,
    TransitDecryptor,
    TransitRewrapper,
)
from snapshot_openbao.compression import decompress
from snapshot_openbao.envelope_format import DataKey, Sealer, new_secret
from snapshot_openbao.envelope_format import unseal as unseal_envelope
from snapshot_openbao.sealed_body_format import new_key, seal, unseal
from support.clock import MovableClock

Answering = Callable[[PreparedRequest], Response]

_TENANT = TenantKey(TenantId(uuid4()))
_STATUSES = (200, 307, 400, 403, 404, 413, 429, 473, 500, 503)


async def driver_errors(watch: SecretWatch) -> None:
    """Each error of requests, urllib3 and the socket, from each call of each port.

    Those of hvac are raised from an answer's status alone, which our client turns off: see
    `odd_answers`.
    """
    text = watch.canary.text
    errors = [
        *every_error(text, RequestException, of="requests"),
        *every_error(text, urllib3.exceptions.HTTPError, of="urllib3"),
        *every_error(text, OSError, of="builtins"),
        loaded(ssl.SSLCertVerificationError, text),
        loaded(ssl.SSLError, text),
    ]
    for error in errors:

        def fail(_: PreparedRequest, error: BaseException = error) -> Response:
            raise error

        await _everything(watch, fail)


async def odd_answers(watch: SecretWatch) -> None:
    """Each status with each form of body, the secret in it as the server could quote it."""
    for body in _bodies(watch.canary.text):
        await _everything(watch, _answering(200, body))
        await _everything(watch, _answering(400, body))
    for status in _STATUSES:
        await _everything(watch, _answering(status, next(_bodies(watch.canary.text))))


async def cancellations(watch: SecretWatch) -> None:
    """A cancellation while the server does not answer, at each login and at each request."""
    for answers in range(4):
        await _cancelled(watch, answers)
        assert isinstance(watch.errors.errors[-1], asyncio.CancelledError)


async def formats(watch: SecretWatch) -> None:
    """What is no base64, not authentic, not compressed, or sealed under another key."""
    secret = Secret(watch.canary.configuration().reveal())
    key_id = DataKeyId(uuid4())
    wrapped = WrappedKey(key_id, _TENANT.tenant_id, "vault:v1:AAAA")
    envelope = Sealer(DataKey(wrapped, new_secret())).seal(secret, "bound")
    answers: list[object] = [
        unseal_envelope(new_secret(), envelope, "bound"),
        unseal_envelope(new_secret(), Ciphertext(f"si1e:{key_id}:{watch.canary.text}"), "bound"),
        unseal_envelope(new_secret(), Ciphertext(f"si1e:{key_id}:AAA"), "bound"),
        unseal(new_key(), seal(new_key(), secret, "aad"), "aad"),
        unseal(new_key(), watch.canary.text, "aad"),
        unseal(new_key(), "AAA", "aad"),
        decompress(secret),
        decompress(Secret(b"\x28\xb5\x2f\xfd" + secret.reveal())),
        decompress(Secret(b"\x28\xb5\x2f\xfd\x20\x10" + secret.reveal())),
    ]
    _show(watch, answers)


async def credentials(watch: SecretWatch) -> None:
    """A login with a secret that is refused, unreadable or of no encoding."""
    with TemporaryDirectory() as folder:
        binary = Path(folder) / watch.canary.text.replace("/", "")
        binary.write_bytes(watch.canary.text.encode() + b"\xff")
        logins: list[Login] = [
            TokenLogin(SecretText(watch.canary.text)),
            AppRoleLogin("role", SecretText(watch.canary.text)),
            AppRoleLogin("role", SecretFile(binary)),
            AppRoleLogin("role", SecretFile(Path(folder) / "missing")),
        ]
        for login in logins:
            for status in (400, 403, 500):
                body = json.dumps({"errors": [watch.canary.text]}).encode()
                await _everything(watch, _answering(status, body), login)


def _bodies(text: str) -> Iterator[bytes]:
    plaintext = b64encode(text.encode()).decode()
    entries: list[object] = [
        {"error": text},
        {"error": f"illegal base64 data: {text}"},
        {"ciphertext": text},
        {"ciphertext": f"vault:v1:{text}", "plaintext": text},
        {"plaintext": plaintext[:-1] + "?"},
        {"plaintext": plaintext},
        {text: text},
        text,
    ]
    yield json.dumps({"errors": [text]}).encode()
    yield json.dumps({"errors": [f"encryption key not found {text}", text]}).encode()
    yield json.dumps({"errors": text}).encode()
    yield json.dumps(text).encode()
    yield text.encode()
    yield b"\xff" + text.encode()
    yield b"[" * 5_000 + text.encode()
    yield json.dumps({"data": {"latest_version": text, "keys": {text: text}}}).encode()
    for count in (1, 2):
        for entry in entries:
            yield json.dumps({"data": {"batch_results": [entry] * count}}).encode()


def _answering(status: int, body: bytes) -> Answering:
    def answer(request: PreparedRequest) -> Response:
        response = Response()
        response.status_code = status
        response.raw = urllib3.response.HTTPResponse(BytesIO(body), preload_content=False)
        response.request = request
        response.headers["Retry-After"] = "7"
        return response

    return answer


@asynccontextmanager
async def _connected(answering: Answering, login: Login | None = None) -> AsyncIterator[OpenBao]:
    login = login or TokenLogin(SecretText("s.token-of-a-drive"))
    timing = Timing(request_seconds=5, call_seconds=5, close_seconds=5)

    def send(_: Session, request: PreparedRequest, **__: object) -> Response:
        return answering(request)

    with patch.object(Session, "send", send):
        async with OpenBao(
            Address("http://127.0.0.1:9"), login, MovableClock(), threads=1, timing=timing
        ) as openbao:
            yield openbao


async def _everything(watch: SecretWatch, answering: Answering, login: Login | None = None) -> None:
    """Each port's calls, each answer and error kept."""
    configuration, body = watch.canary.configuration(), RawMessage(watch.canary.text.encode())
    sealed = Ciphertext("vault:v1:" + b64encode(bytes(40)).decode())
    async with _connected(answering, login) as openbao:
        transit = TransitCipher(openbao, MovableClock())
        ciphers: list[Cipher] = [
            transit,
            CompressedCipher(transit, openbao.threads),
            EnvelopeCipher(transit, openbao.threads, MovableClock()),
        ]
        for cipher in ciphers:
            items = [CipherItem(_TENANT, configuration, "aad")] * 2
            async with watch.keeping_errors():
                _show(watch, await cipher.encrypt(items))
        async with watch.keeping_errors():
            quarantine = SealedBodyCipher(transit, openbao.threads)
            _show(watch, await quarantine.encrypt([CipherItem(OwnKey.QUARANTINE, body, "aad")]))
        async with watch.keeping_errors():
            items_to_open = [DecryptorItem(_TENANT, sealed)] * 2
            opened = await TransitDecryptor(openbao).decrypt(items_to_open)
            _show(watch, [each for each in opened if not isinstance(each, Secret)])
        async with watch.keeping_errors():
            rewrapper = TransitRewrapper(openbao)
            _show(watch, await rewrapper.rewrap(_TENANT.tenant_id, [sealed]))
        async with watch.keeping_errors():
            _show(watch, [await TransitRewrapper(openbao).versions(_TENANT.tenant_id)])
        async with watch.keeping_errors():
            await transit.check()


def _show(watch: SecretWatch, answers: object) -> None:
    """Keeps the faults among the answers, and the others in an error of their own."""
    assert isinstance(answers, list | tuple)
    for answer in answers:
        watch.errors.add(answer if isinstance(answer, BaseException) else LookupError(answer))


async def _cancelled(watch: SecretWatch, answers: int) -> None:
    """Cancels a call once the server, after so many answers, gives none."""
    reached, released = threading.Event(), threading.Event()
    left = iter(range(answers))

    def hang(request: PreparedRequest) -> Response:
        if next(left, None) is None:
            reached.set()
            released.wait(10)
        if str(request.url).endswith("/login"):
            return _answering(200, b'{"auth": {"client_token": "s.token-of-a-drive"}}')(request)
        return _answering(403, b'{"errors": ["permission denied"]}')(request)

    async with _connected(hang, AppRoleLogin("role", SecretText(watch.canary.text))) as openbao:
        cipher = TransitCipher(openbao, MovableClock())
        item = CipherItem(_TENANT, watch.canary.configuration())
        calling = asyncio.ensure_future(cipher.encrypt([item]))
        while not reached.is_set() and not calling.done():
            await asyncio.sleep(0.001)
        calling.cancel()
        async with watch.keeping_errors():
            await calling
        released.set()
