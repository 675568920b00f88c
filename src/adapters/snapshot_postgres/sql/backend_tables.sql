-- The backend's tables as its own migrations make them, for an installation without a backend.
-- What exists already is left as it is.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'app_user') THEN
        CREATE ROLE app_user NOLOGIN;
    END IF;
EXCEPTION
    -- Roles belong to the whole cluster: another database's migration was faster.
    WHEN duplicate_object OR unique_violation THEN NULL;
END
$$;

DO $$
BEGIN
    IF to_regclass('public.tenants') IS NULL THEN
        CREATE TABLE public.tenants (
            id    uuid PRIMARY KEY DEFAULT gen_random_uuid(),
            name  varchar(255) NOT NULL UNIQUE
        );
        ALTER TABLE public.tenants ENABLE ROW LEVEL SECURITY;
        ALTER TABLE public.tenants FORCE ROW LEVEL SECURITY;
        CREATE POLICY tenant_isolation ON public.tenants USING (
            id::text = current_setting('app.current_tenant', true)
            OR current_setting('app.current_tenant', true) = 'super_admin');
        GRANT SELECT, INSERT, UPDATE, DELETE ON public.tenants TO app_user;
    END IF;

    IF to_regclass('public.devices') IS NULL THEN
        CREATE TABLE public.devices (
            id          uuid PRIMARY KEY DEFAULT gen_random_uuid(),
            tenant_id   uuid NOT NULL REFERENCES public.tenants (id),
            hostname    varchar(255) NOT NULL,
            ip_address  varchar(45) NOT NULL
        );
        ALTER TABLE public.devices ENABLE ROW LEVEL SECURITY;
        ALTER TABLE public.devices FORCE ROW LEVEL SECURITY;
        CREATE POLICY tenant_isolation ON public.devices USING (
            tenant_id::text = current_setting('app.current_tenant', true)
            OR current_setting('app.current_tenant', true) = 'super_admin');
        GRANT SELECT, INSERT, UPDATE, DELETE ON public.devices TO app_user;
    END IF;

    IF to_regclass('public.router_config_snapshots') IS NULL THEN
        CREATE TABLE public.router_config_snapshots (
            id            uuid PRIMARY KEY DEFAULT gen_random_uuid(),
            device_id     uuid NOT NULL REFERENCES public.devices (id) ON DELETE CASCADE,
            tenant_id     uuid NOT NULL REFERENCES public.tenants (id) ON DELETE CASCADE,
            config_text   text NOT NULL,
            sha256_hash   varchar(64) NOT NULL,
            collected_at  timestamptz NOT NULL DEFAULT now(),
            created_at    timestamptz NOT NULL DEFAULT now()
        );
        CREATE INDEX ON public.router_config_snapshots (device_id, collected_at DESC);
        CREATE INDEX ON public.router_config_snapshots (device_id, sha256_hash);
        ALTER TABLE public.router_config_snapshots ENABLE ROW LEVEL SECURITY;
        ALTER TABLE public.router_config_snapshots FORCE ROW LEVEL SECURITY;
        CREATE POLICY tenant_isolation ON public.router_config_snapshots USING (
            tenant_id::text = current_setting('app.current_tenant', true));
        GRANT SELECT, INSERT, DELETE ON public.router_config_snapshots TO app_user;
    END IF;
END
$$;
