"""The ports of ciphers, decryptors and keys over OpenBao's Transit secrets engine.

`OpenBao` is the logged-in connection that they share; `TransitKeys` makes the keys.
"""

from snapshot_openbao.batches import Limits
from snapshot_openbao.cipher import TransitCipher
from snapshot_openbao.client import Address
from snapshot_openbao.compressed import CompressedCipher
from snapshot_openbao.connection import OpenBao, Timing
from snapshot_openbao.data_keys import DataKeyLimits
from snapshot_openbao.decryptor import TransitDecryptor
from snapshot_openbao.envelope import EnvelopeCipher
from snapshot_openbao.keys import TransitKeys
from snapshot_openbao.login import (
    KUBERNETES_JWT_FILE,
    AppRoleLogin,
    Credential,
    JwtLogin,
    Login,
    SecretFile,
    SecretText,
    TokenLogin,
    WrappedAppRoleLogin,
    WrappedSecretId,
)
from snapshot_openbao.paths import key_name
from snapshot_openbao.resealer import SealedBodyResealer
from snapshot_openbao.rewrapper import TransitRewrapper
from snapshot_openbao.sealed_body import SealedBodyCipher
from snapshot_openbao.tenant_keys import TransitTenantKeys

__all__ = [
    "KUBERNETES_JWT_FILE",
    "Address",
    "AppRoleLogin",
    "CompressedCipher",
    "Credential",
    "DataKeyLimits",
    "EnvelopeCipher",
    "JwtLogin",
    "Limits",
    "Login",
    "OpenBao",
    "SealedBodyCipher",
    "SealedBodyResealer",
    "SecretFile",
    "SecretText",
    "Timing",
    "TokenLogin",
    "TransitCipher",
    "TransitDecryptor",
    "TransitKeys",
    "TransitRewrapper",
    "TransitTenantKeys",
    "WrappedAppRoleLogin",
    "WrappedSecretId",
    "key_name",
]
