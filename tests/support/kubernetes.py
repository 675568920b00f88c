"""The one call of the Kubernetes API that OpenBao makes: whose is this service account's token?"""

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from attrs import field, frozen

from support.authority import KeyPair

_REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"
_NAMESPACE, _ACCOUNT = "routers", "snapshot-ingest"
_UID = "6b0f2c1e-58a4-4d0b-9a77-0e1d2c3b4a55"


@frozen
class KubernetesApi:
    """Knows the tokens that it was told of, all of the one service account."""

    url: str
    known: set[str] = field(factory=set, repr=False)

    def know(self, token: str) -> None:
        """From now on the token is the service account's."""
        self.known.add(token)

    @property
    def service_account(self) -> tuple[str, str]:
        """Its namespace and name."""
        return _NAMESPACE, _ACCOUNT


def claims_of_pod() -> dict[str, object]:
    """What Kubernetes writes into the token of a pod with that service account."""
    account = {"name": _ACCOUNT, "uid": _UID}
    return {
        "sub": f"system:serviceaccount:{_NAMESPACE}:{_ACCOUNT}",
        "iss": "https://kubernetes.default.svc",
        "aud": ["https://kubernetes.default.svc"],
        "kubernetes.io": {"namespace": _NAMESPACE, "serviceaccount": account},
    }


@contextmanager
def kubernetes_api(certificate: KeyPair) -> Iterator[KubernetesApi]:
    """The API on a free port of loopback, with TLS."""
    known: set[str] = set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            is_known = self.path == _REVIEWS and body["spec"]["token"] in known
            status: dict[str, object] = {"authenticated": is_known}
            if is_known:
                username = f"system:serviceaccount:{_NAMESPACE}:{_ACCOUNT}"
                status["audiences"] = body["spec"].get("audiences", [])
                status["user"] = {"username": username, "uid": _UID}
            answer = json.dumps({**body, "status": status}).encode()
            self.send_response(201)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's name
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.cert_file, certificate.key_file)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield KubernetesApi(f"https://127.0.0.1:{server.server_port}", known)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
