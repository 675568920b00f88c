"""The text of a simulated router: a lifelike RouterOS export, with secrets in it.

A router has facts of its own, which edits change from version to version, and long lists.
No date stands in its header: the poller has taken it out.
"""

import math
from collections.abc import Callable, Sequence
from random import Random

from attrs import define

from snapshot_ingest.poller import PolledText
from snapshot_ingest.simulator.chance import chance
from snapshot_ingest.simulator.routeros_lists import lists_of
from snapshot_ingest.simulator.values import WORDS, hex_digits, key, mac_address, network, password

_MEDIAN_BYTES = 8_000
_SPREAD = 0.9  # of the logarithm of the size
_OWN_FACTS_BYTES = 3_200  # about what a router's text takes without its lists

_MODELS = ("RB5009UG+S+", "CCR2004-1G-12S+2XS", "hAP ax^3", "L009UiGS", "RB750Gr3", "CCR1009-7G-1C")
_VERSIONS = ("6.49.18", "7.12.1", "7.15.3", "7.16.2", "7.18.2")
_PORTS = (5, 8, 10, 13)


@define(repr=False, eq=False)
class _Router:
    """What an export is written from. Holds secrets, so it has no text form."""

    model: str
    serial: str
    software_id: str
    bridge_mac: str
    ports: int
    lan: int
    identity: str
    port_comment: str
    admin_password: str
    community: str
    passphrase: str
    ipsec_secret: str
    radius_secret: str
    wireguard_key: str
    wireguard_peers: list[str]
    ppp_secrets: list[str]
    filter_rules: list[str]
    lists: str


def export_of(seed: int, device_number: int, version: int) -> PolledText:
    """The text of a device after `version` edits: always the same, and each another one."""
    router = _new_router(seed, chance(seed, "router", device_number))
    for edit_number in range(1, version + 1):
        draw = chance(seed, "edit", device_number, edit_number)
        _EDITS[draw.randrange(len(_EDITS))](router, draw)
    return PolledText(_written(router).encode())


def routeros_version_of(seed: int, device_number: int) -> str:
    """The RouterOS version that a device runs."""
    return _VERSIONS[chance(seed, "version", device_number).randrange(len(_VERSIONS))]


def _new_router(seed: int, draw: Random) -> _Router:
    model, word = draw.choice(_MODELS), draw.choice(WORDS)
    return _Router(
        model=model,
        serial=hex_digits(draw, 12).upper(),
        software_id=f"{hex_digits(draw, 4)}-{hex_digits(draw, 4)}".upper(),
        bridge_mac=mac_address(draw),
        ports=draw.choice(_PORTS),
        lan=draw.randrange(256),
        identity=f"{word}-{draw.randrange(1_000):03}",
        port_comment=f"uplink to {draw.choice(WORDS)}",
        admin_password=password(draw),
        community=password(draw),
        passphrase=password(draw),
        ipsec_secret=password(draw),
        radius_secret=password(draw),
        wireguard_key=key(draw),
        wireguard_peers=[_peer(draw) for _ in range(draw.randrange(1, 4))],
        ppp_secrets=[_ppp_secret(draw) for _ in range(draw.randrange(1, 8))],
        filter_rules=[_filter_rule(draw) for _ in range(draw.randrange(2, 10))],
        lists=lists_of(seed, draw, _list_bytes(draw)),
    )


def _list_bytes(draw: Random) -> float:
    return draw.lognormvariate(math.log(_MEDIAN_BYTES), _SPREAD) - _OWN_FACTS_BYTES


def _peer(draw: Random) -> str:
    return (
        f"add allowed-address=10.250.{draw.randrange(256)}.2/32 interface=wg0 "
        f'preshared-key="{key(draw)}" public-key="{key(draw)}"\n'
    )


def _ppp_secret(draw: Random) -> str:
    return f"add name=customer-{hex_digits(draw, 6)} password={password(draw)} service=pppoe\n"


def _filter_rule(draw: Random) -> str:
    action = draw.choice(("accept", "drop"))
    return (
        f'add action={action} chain=forward comment="ticket {draw.getrandbits(32)}" '
        f"dst-port={draw.randrange(1, 65_536)} protocol=tcp src-address={network(draw)}\n"
    )


def _add_filter_rule(router: _Router, draw: Random) -> None:
    router.filter_rules.append(_filter_rule(draw))


def _add_customer(router: _Router, draw: Random) -> None:
    router.ppp_secrets.append(_ppp_secret(draw))


def _add_peer(router: _Router, draw: Random) -> None:
    router.wireguard_peers.append(_peer(draw))


def _change_admin_password(router: _Router, draw: Random) -> None:
    router.admin_password = password(draw)


def _change_community(router: _Router, draw: Random) -> None:
    router.community = password(draw)


def _change_port_comment(router: _Router, draw: Random) -> None:
    router.port_comment = f"moved to {draw.choice(WORDS)}, ticket {draw.getrandbits(32)}"


_EDITS: Sequence[Callable[[_Router, Random], None]] = (
    _add_filter_rule,
    _add_customer,
    _add_peer,
    _change_admin_password,
    _change_community,
    _change_port_comment,
)


def _written(router: _Router) -> str:
    ports = "".join(
        f"add bridge=bridge comment=defconf interface=ether{port}\n"
        for port in range(2, router.ports + 1)
    )
    lan = f"192.168.{router.lan}"
    return f"""\
# software id = {router.software_id}
#
# model = {router.model}
# serial number = {router.serial}
/interface bridge
add admin-mac={router.bridge_mac} auto-mac=no comment=defconf name=bridge
/interface ethernet
set [ find default-name=ether1 ] comment="{router.port_comment}"
/interface wireguard
add listen-port=13231 mtu=1420 name=wg0 private-key="{router.wireguard_key}"
/interface list
add comment=defconf name=WAN
add comment=defconf name=LAN
/interface wireless security-profiles
set [ find default=yes ] supplicant-identity=MikroTik
add authentication-types=wpa2-psk mode=dynamic-keys name=home \
wpa2-pre-shared-key={router.passphrase}
/ip ipsec peer
add address=198.51.100.{router.lan}/32 exchange-mode=ike2 name=head-office
/ip pool
add name=lan ranges={lan}.10-{lan}.254
/ip dhcp-server
add address-pool=lan interface=bridge lease-time=1h name=lan
/snmp community
set [ find default=yes ] disabled=yes
add addresses=10.0.0.0/8 name={router.community}
/interface bridge port
{ports}/interface list member
add comment=defconf interface=bridge list=LAN
add comment=defconf interface=ether1 list=WAN
/interface wireguard peers
{"".join(router.wireguard_peers)}/ip address
add address={lan}.1/24 comment=defconf interface=bridge network={lan}.0
/ip dhcp-client
add comment=defconf interface=ether1
/ip dns
set allow-remote-requests=yes
/ip firewall filter
add action=accept chain=input comment="defconf: accept established,related,untracked" \
connection-state=established,related,untracked
add action=drop chain=input comment="defconf: drop invalid" connection-state=invalid
add action=accept chain=input comment="defconf: accept ICMP" protocol=icmp
add action=drop chain=input comment="defconf: drop all not coming from LAN" in-interface-list=!LAN
{"".join(router.filter_rules)}/ip firewall nat
add action=masquerade chain=srcnat comment="defconf: masquerade" out-interface-list=WAN
/ip ipsec identity
add peer=head-office secret={router.ipsec_secret}
{router.lists}/ppp secret
{"".join(router.ppp_secrets)}/radius
add address=10.0.0.5 secret={router.radius_secret} service=ppp,login
/snmp
set enabled=yes
/system clock
set time-zone-name=Europe/Vienna
/system identity
set name={router.identity}
/user
add group=full name=operator password={router.admin_password}
"""
