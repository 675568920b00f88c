"""The one way to log in at OpenBao that a section of the settings says."""

from collections.abc import Mapping
from pathlib import Path

from typed_settings import Secret

from snapshot_ingest.settings import OpenBaoSettings
from snapshot_ingest.settings.errors import SettingsError
from snapshot_ingest.settings.secret_values import secret_value
from snapshot_openbao import (
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

_BY_WAY: Mapping[str, tuple[str, ...]] = {
    "a token": ("token", "token_file"),
    "an AppRole": ("role_id", "secret_id", "secret_id_file", "wrapped_secret_id_file"),
    "a kubernetes_role": ("kubernetes_role",),
    "a jwt_role": ("jwt_role",),
}


def openbao_login(name: str, settings: OpenBaoSettings) -> Login:
    """How the section `name` logs in. Raises `SettingsError` unless it is exactly one way."""
    _check_one_way(name, settings)
    if settings.kubernetes_role is not None:
        jwt = SecretFile(settings.jwt_file or KUBERNETES_JWT_FILE)
        return JwtLogin(settings.kubernetes_role, jwt, settings.auth_mount or "kubernetes")
    if settings.jwt_role is not None:
        if settings.jwt_file is None:
            raise SettingsError(f"{name} has a jwt_role alone", expected="jwt_file beside it")
        jwt = SecretFile(settings.jwt_file)
        return JwtLogin(settings.jwt_role, jwt, settings.auth_mount or "jwt")
    token = _credential(f"{name}.token", settings.token, settings.token_file)
    return _app_role(name, settings) if token is None else TokenLogin(token)


def _check_one_way(name: str, settings: OpenBaoSettings) -> None:
    meant = [
        way
        for way, fields in _BY_WAY.items()
        if any(getattr(settings, each) is not None for each in fields)
    ]
    if len(meant) > 1:
        raise SettingsError(f"{name} has {' and '.join(meant)}", expected="one of them")
    if settings.jwt_file is not None and settings.jwt_role is settings.kubernetes_role is None:
        raise SettingsError(
            f"{name} has a jwt_file alone", expected="jwt_role or kubernetes_role beside it"
        )


def _app_role(name: str, settings: OpenBaoSettings) -> Login:
    secret_id = _credential(f"{name}.secret_id", settings.secret_id, settings.secret_id_file)
    wrapped = settings.wrapped_secret_id_file
    if settings.role_id is None:
        raise SettingsError(
            f"{name} has no credentials",
            expected="role_id and secret_id_file, kubernetes_role, jwt_role or token_file",
        )
    mount = settings.auth_mount or "approle"
    if wrapped is not None and secret_id is not None:
        raise SettingsError(
            f"{name} has a secret_id and a wrapped_secret_id_file", expected="one of them"
        )
    if wrapped is not None:
        return WrappedAppRoleLogin(settings.role_id, WrappedSecretId(SecretFile(wrapped)), mount)
    if secret_id is None:
        raise SettingsError(f"{name} has a role_id alone", expected="secret_id_file beside it")
    return AppRoleLogin(settings.role_id, secret_id, mount)


def _credential(name: str, value: Secret[str] | None, file: Path | None) -> Credential | None:
    """A file is not read yet: it is read anew for each login."""
    if value is None and file is not None:
        return SecretFile(file)
    text = secret_value(name, value, file)
    return None if text is None else SecretText(text)
