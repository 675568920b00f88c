"""/metrics, /healthz and /readyz, asked through ASGI without a socket."""

from collections.abc import Mapping

import httpx
import pytest
from prometheus_client import CollectorRegistry, Gauge

from snapshot_ingest.http.app import http_app


class _Dependencies:
    """What is not ready, as a test says."""

    def __init__(self) -> None:
        self.now: dict[str, str] = {}

    async def faults(self) -> Mapping[str, str]:
        return self.now


@pytest.fixture
def dependencies() -> _Dependencies:
    return _Dependencies()


@pytest.fixture
def client(dependencies: _Dependencies) -> httpx.AsyncClient:
    registry = CollectorRegistry()
    Gauge("routers", "How many there are.", registry=registry).set(3)
    app = http_app(lambda: registry, dependencies.faults)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://worker")


async def test_metrics_are_the_registrys_in_prometheus_text_format(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert answer.headers.get_list("content-type") == [answer.headers["content-type"]]
    assert "# TYPE routers gauge\nrouters 3.0\n" in answer.text


async def test_a_scraper_that_prefers_openmetrics_gets_it(client: httpx.AsyncClient) -> None:
    answer = await client.get("/metrics", headers={"accept": "application/openmetrics-text"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=")
    assert answer.text.endswith("# EOF\n")


async def test_the_process_is_alive_whatever_its_dependencies_do(
    client: httpx.AsyncClient, dependencies: _Dependencies
) -> None:
    dependencies.now = {"source": "source: no server answers"}
    answer = await client.get("/healthz")
    assert (answer.status_code, answer.text) == (200, "alive\n")


async def test_it_is_ready_when_nothing_is_wrong(client: httpx.AsyncClient) -> None:
    answer = await client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {"ready": True, "faults": {}}


async def test_it_is_not_ready_while_something_is_wrong_and_says_what(
    client: httpx.AsyncClient, dependencies: _Dependencies
) -> None:
    dependencies.now = {"cipher": "cipher: sealed", "source": "source: no server answers"}
    answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"ready": False, "faults": dependencies.now}
    dependencies.now = {}
    assert (await client.get("/readyz")).status_code == 200


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/readyz"])
async def test_nothing_can_be_sent_to_it(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.post(path)).status_code == 405


async def test_there_is_nothing_else(client: httpx.AsyncClient) -> None:
    assert (await client.get("/")).status_code == 404
