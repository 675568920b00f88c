"""Where a secret setting is had from: a file, or the value itself."""

from pathlib import Path

from typed_settings import Secret

from snapshot_ingest.settings.errors import SettingsError


def secret_value(name: str, value: Secret[str] | None, file: Path | None) -> str | None:
    """The secret, None where neither is set. Raises `SettingsError` if both are or it is empty."""
    if value is not None and file is not None:
        raise SettingsError(f"{name} and {name}_file are both set", expected="one of them")
    if file is not None:
        return _read(name, file)
    if value is None:
        return None
    text = value.get_secret_value()
    if not text:
        raise SettingsError(f"{name} is empty", expected="the secret, or the setting left out")
    return text


def _read(name: str, file: Path) -> str:
    try:
        text = file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        problem = f"cannot be read ({type(error).__name__})"
    else:
        if text:
            return text
        problem = "is empty"
    raise SettingsError(f"{name}_file {file} {problem}", expected="a readable file with the secret")
