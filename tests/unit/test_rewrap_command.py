"""`snapshot-ingest rewrap` over the adapters in memory."""

from datetime import timedelta

from snapshot_domain.ports import TenantKey
from snapshot_domain.rotation import Rotation
from snapshot_ingest.commands.rewrap import rewrap_all
from snapshot_ingest.operator.arguments import Work
from snapshot_memory import MemoryRewrapper, MemoryStoredTexts
from support.memory_world import MemoryWorld
from support.messages import tenant


async def test_a_tenant_that_is_shredded_meanwhile_costs_no_other_its_turn() -> None:
    world = MemoryWorld()
    world.publish("A")
    world.publish("Z", of="z1", owner="zeta")
    await world.ingest()
    texts = MemoryStoredTexts(world.repository)
    rewrapper = MemoryRewrapper(world.keyring, world.clock)
    rotation = Rotation(texts, rewrapper, timedelta(minutes=20))
    for name in ("acme", "zeta"):
        world.keyring.rotate(TenantKey(tenant(name)))
    found = {each: await rotation.oldest(each) for each in map(tenant, ("acme", "zeta"))}
    world.keyring.delete(TenantKey(tenant("acme")))
    await rewrap_all(rotation, found, Work(None, None, dry_run=False), world.clock)
    assert dict(await texts.versions(tenant("zeta"))) == {2: 1}
    assert dict(await texts.versions(tenant("acme"))) == {1: 1}
