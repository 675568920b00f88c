# A person's who looks at configurations, and at what was rejected. It encrypts nothing.
path "transit/decrypt/tenant_*" { capabilities = ["update"] }
path "transit/decrypt/snapshot_ingest_quarantine" { capabilities = ["update"] }
