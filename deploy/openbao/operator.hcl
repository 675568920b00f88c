# Of whoever runs `rewrap`. It sees no plaintext: rewrapping happens inside of OpenBao.
path "transit/rewrap/tenant_*" { capabilities = ["update"] }
path "transit/keys/tenant_*" { capabilities = ["read"] }
