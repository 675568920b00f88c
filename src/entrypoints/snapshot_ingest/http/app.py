"""The HTTP endpoints as an ASGI app: /metrics, /healthz and /readyz."""

from collections.abc import Awaitable, Callable, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

Registry = Callable[[], CollectorRegistry]
Faults = Callable[[], Awaitable[Mapping[str, str]]]


def http_app(registry: Registry, faults: Faults) -> Starlette:
    """The app over a registry of metrics and a look at what is not ready.

    Both are asked anew for each request.
    """

    async def metrics(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry()), headers={"content-type": content_type})

    async def healthz(_: Request) -> Response:
        return PlainTextResponse("alive\n")

    async def readyz(_: Request) -> Response:
        found = await faults()
        body = {"ready": not found, "faults": dict(found)}
        return JSONResponse(body, status_code=503 if found else 200)

    endpoints = {"/metrics": metrics, "/healthz": healthz, "/readyz": readyz}
    # Litestar asks what is mounted with a slash at the end.
    return Starlette(
        routes=[
            Route(path + end, endpoint) for path, endpoint in endpoints.items() for end in ("", "/")
        ]
    )
