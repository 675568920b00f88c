"""The tenant that files are published for where no other is named."""

from uuid import NAMESPACE_URL, uuid5

from snapshot_domain.model import TenantId

DEMO_TENANT = TenantId(uuid5(NAMESPACE_URL, "snapshot-ingest:demo-tenant"))
