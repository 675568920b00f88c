"""The lines that a rule finds and that are right: each with its reason, and none for nothing."""

from collections.abc import Iterable, Iterator, Mapping

from secrecy_check.findings import Finding

SHOWN_WITH_REASON: Mapping[tuple[str, str], str] = {
    (
        "adapters/snapshot_conformance/secret_canary_kept.py",
        "shows content, which may hold content",
    ): "a planted control",
    (
        "adapters/snapshot_nats/client.py",
        "shows error, which may hold a request or a row",
    ): "the server's own words are searched for a denial, and go no further",
    (
        "adapters/snapshot_nats/refusals.py",
        "shows error, which may hold a request or a row",
    ): "the server's own words are searched for a refusal, and go no further",
    (
        "adapters/snapshot_postgres/errors.py",
        "shows error, which may hold a request or a row",
    ): "the driver's own words are searched for a server without TLS, and go no further",
    (
        "entrypoints/snapshot_ingest/embedded/files.py",
        "shows password, which may hold content",
    ): "a DSN for clients that take nothing else, in a file of its owner alone",
    (
        "entrypoints/snapshot_ingest/simulator/routeros.py",
        "shows password, which may hold content",
    ): "a made-up configuration is written",
    (
        "entrypoints/snapshot_ingest/stack/nats.py",
        "shows password, which may hold content",
    ): "an address for clients that take nothing else, in a file of its owner alone",
    (
        "entrypoints/snapshot_ingest/stack/nats_users.py",
        "shows password, which may hold content",
    ): "the server reads its users' passwords from a file of its owner alone",
    (
        "entrypoints/snapshot_ingest/stack/openbao_config.py",
        "shows paths.data, which may hold content",
    ): "the name of a folder",
    (
        "entrypoints/snapshot_ingest/stack/postgres.py",
        "shows password, which may hold content",
    ): "a DSN for a driver that takes nothing else",
    (
        "entrypoints/snapshot_ingest/stack/postgres.py",
        "shows self.data, which may hold content",
    ): "the name of a folder",
}
"""By path and finding: an entry more is a decision that a reviewer sees."""


def without_exceptions(
    findings: Iterable[Finding], exceptions: Mapping[tuple[str, str], str] = SHOWN_WITH_REASON
) -> Iterator[Finding]:
    """What no reason is given for; and each reason that is given for nothing."""
    used = set()
    for finding in findings:
        key = (finding.path, finding.what)
        if key in exceptions:
            used.add(key)
        else:
            yield finding
    for path, what in exceptions.keys() - used:
        yield Finding(path, 0, f"has a reason for what is not there: {what}")
