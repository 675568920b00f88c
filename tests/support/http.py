"""The worker's HTTP endpoints, as a monitoring system sees them."""

import httpx
from prometheus_client.parser import text_string_to_metric_families

_SECONDS = 10.0


async def fetched(url: str) -> httpx.Response:
    """The answer, whatever its status."""
    async with httpx.AsyncClient(trust_env=False, timeout=_SECONDS) as client:
        return await client.get(url)


async def is_ready(url: str) -> bool:
    """Whether /readyz says so."""
    return (await fetched(f"{url}/readyz")).status_code == 200


async def metric(url: str, name: str) -> float:
    """The sum of the metric's samples over all its labels."""
    text = (await fetched(f"{url}/metrics")).text
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    )
