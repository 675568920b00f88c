"""Registering tenants and devices with the embedded backend, as the backend itself would."""

from collections.abc import Iterable, Sequence

from attrs import frozen

from snapshot_domain.model import DeviceId, TenantId
from snapshot_openbao import OpenBao, TransitKeys
from snapshot_postgres import Connection

_TENANTS_SQL = """
    insert into tenants (id, name) values ($1, $2)
    on conflict do nothing
"""
_DEVICES_SQL = """
    insert into devices (id, tenant_id, hostname, ip_address)
    select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[])
    on conflict (id) do update set tenant_id = excluded.tenant_id
"""
_HOSTNAME_CHARACTERS_AT_MOST = 255


@frozen
class NewTenant:
    """A tenant to register."""

    tenant_id: TenantId
    name: str


@frozen
class NewDevice:
    """A device to register."""

    device_id: DeviceId
    tenant_id: TenantId
    hostname: str
    ip_address: str


async def register(
    connection: Connection,
    openbao: OpenBao,
    tenants: Sequence[NewTenant],
    devices: Iterable[NewDevice],
) -> None:
    """Makes tenants with their keys, and devices; those that exist are kept, or move."""
    await connection.executemany(_TENANTS_SQL, [(each.tenant_id, each.name) for each in tenants])
    rows = [(d.device_id, d.tenant_id, _hostname(d), d.ip_address) for d in devices]
    if rows:
        await connection.execute(_DEVICES_SQL, *zip(*rows, strict=True))
    keys = TransitKeys(openbao)
    for tenant in tenants:
        await keys.ensure_tenant_key(tenant.tenant_id)


def _hostname(device: NewDevice) -> str:
    return device.hostname[-_HOSTNAME_CHARACTERS_AT_MOST:]
