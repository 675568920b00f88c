# Of whoever runs `provision` and `shred`, for as long as that takes. It sees no plaintext and can
# destroy everything: keep it away from workers, and from whatever runs by itself.
# OpenBao looks at the longest path that fits, so that a tenant's key may be deleted, and never one
# of our own, under which messages wait.
path "transit/keys/*" { capabilities = ["create", "read", "update"] }
path "transit/keys/tenant_*" { capabilities = ["create", "read", "update", "delete"] }
