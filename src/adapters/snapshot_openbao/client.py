"""HTTP to OpenBao through hvac: the one place that meets the driver and its errors.

What leaves this module is a `Reply` or a `Problem`, never a driver's error: those of requests
hold the token and the body in `.request`, those of hvac the whole answer in their text.
"""

import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

from attrs import field, frozen
from hvac.adapters import RawAdapter
from requests import Response, Session
from requests.exceptions import (
    InvalidSchema,
    InvalidURL,
    MissingSchema,
    RequestException,
    Timeout,
)
from urllib3.exceptions import HTTPError

from snapshot_openbao.errors import Problem

_PIECE_BYTES = 64 * 1024
_JSON = {"Content-Type": "application/json"}

# OpenSSL's numbers of what it found wrong with a certificate (X509_V_ERR_…).
_BY_VERIFY_CODE: Mapping[int, Problem] = {
    10: Problem.EXPIRED_CERTIFICATE,
    62: Problem.CERTIFICATE_OF_ANOTHER_HOST,  # by name
    64: Problem.CERTIFICATE_OF_ANOTHER_HOST,  # by IP address
}
# What OpenSSL makes of a server that answers in clear; the word differs between its versions.
_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST")


@frozen
class Address:
    """Where OpenBao is. Nothing of it is taken from the environment.

    `ca_file` holds the certificates to trust in place of the usual ones.
    """

    url: str
    ca_file: Path | None = None
    namespace: str | None = None
    connect_seconds: float = 3.0


@frozen
class Reply:
    """What OpenBao answered. The body can hold plaintext, so nothing prints it.

    `retry_after` is there where a rate limit named a time, `answered_at` is the server's own.
    """

    status: int
    body: bytes | bytearray = field(repr=False)
    retry_after: timedelta | None = None
    answered_at: datetime | None = None


class HttpClient:
    """Speaks to OpenBao from any thread; each thread has a driver of its own.

    hvac's client is not thread-safe, does not say the status of every failure, and takes token,
    address and certificates from the environment where they are not given. Its adapter alone
    does none of the latter two.
    """

    def __init__(self, address: Address) -> None:
        self._address = address
        self._local = threading.local()
        self._sessions: list[Session] = []
        self._sessions_lock = threading.Lock()

    def post(
        self, path: str, body: bytes | bytearray, *, token: str, timeout_seconds: float
    ) -> Reply | Problem:
        """What the path answers, whatever its status, or why there is no answer.

        The timeout bounds each wait for the server.
        """
        return self._exchange("post", path, body, token, timeout_seconds)

    def get(self, path: str, *, token: str, timeout_seconds: float) -> Reply | Problem:
        """The same without a body."""
        return self._exchange("get", path, None, token, timeout_seconds)

    def delete(self, path: str, *, token: str, timeout_seconds: float) -> Reply | Problem:
        """The same for what is to be deleted."""
        return self._exchange("delete", path, None, token, timeout_seconds)

    def _exchange(
        self,
        method: str,
        path: str,
        body: bytes | bytearray | None,
        token: str,
        timeout_seconds: float,
    ) -> Reply | Problem:
        try:
            response = self._adapter().request(
                method,
                f"/v1/{path}",
                headers=dict(_JSON) | ({"X-Vault-Token": token} if token else {}),
                data=body,
                timeout=(min(self._address.connect_seconds, timeout_seconds), timeout_seconds),
                raise_exception=False,
                stream=True,
            )
            with closing(response):
                retry_after = _seconds_of(response.headers.get("Retry-After", ""))
                answered_at = _time_of(response.headers.get("Date", ""))
                body = _whole_body(response)
                return Reply(response.status_code, body, retry_after, answered_at)
        except (OSError, HTTPError) as error:  # RequestException is an OSError
            problem = _problem_of(error)
        return problem

    def close(self) -> None:
        """Closes the connections of all threads."""
        with self._sessions_lock:
            for session in self._sessions:
                session.close()
            self._sessions.clear()

    def _adapter(self) -> RawAdapter:
        adapter: RawAdapter | None = getattr(self._local, "adapter", None)
        if adapter is None:
            adapter = self._local.adapter = self._new_adapter()
        return adapter

    def _new_adapter(self) -> RawAdapter:
        session = Session()
        # A proxy or a .netrc of the environment must not get between us and OpenBao.
        session.trust_env = False
        if self._address.ca_file is not None:
            session.verify = str(self._address.ca_file)
        with self._sessions_lock:
            self._sessions.append(session)
        return RawAdapter(
            base_uri=self._address.url,
            token="",
            session=session,
            namespace=self._address.namespace,
            # A redirect would carry plaintext and token to an address that nobody configured.
            allow_redirects=False,
        )


def _time_of(header: str) -> datetime | None:
    try:
        return parsedate_to_datetime(header).astimezone(UTC)
    except (TypeError, ValueError):
        return None


def _whole_body(response: Response) -> bytearray:
    """What was answered, in memory once: requests itself keeps the pieces beside the whole."""
    body = bytearray()
    for piece in response.iter_content(_PIECE_BYTES):
        body += piece
    return body


def _seconds_of(header: str) -> timedelta | None:
    """OpenBao writes whole seconds, and no header at all unless it is configured to."""
    return timedelta(seconds=int(header)) if header.isdecimal() and len(header) < 6 else None


def _problem_of(error: Exception) -> Problem:
    if isinstance(error, MissingSchema | InvalidSchema | InvalidURL):
        return Problem.BAD_ADDRESS
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _BY_VERIFY_CODE.get(
                getattr(cause, "verify_code", 0), Problem.UNTRUSTED_CERTIFICATE
            )
        if isinstance(cause, ssl.SSLError) and getattr(cause, "reason", "") in _NO_TLS:
            return Problem.NOT_OPENBAO
    if isinstance(error, Timeout):
        return Problem.NO_TIME_LEFT
    if isinstance(error, RequestException | HTTPError | ConnectionError):
        return Problem.NO_ANSWER
    # requests wraps everything of the network; what is left comes from reading the CA file.
    return Problem.CA_UNREADABLE


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and the errors in its arguments and reasons, where drivers nest them."""
    yield error
    nested = [*error.args, getattr(error, "reason", None)]
    for cause in nested:
        if isinstance(cause, BaseException):
            yield from _causes(cause)
