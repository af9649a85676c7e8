"""What can go wrong in the vault."""


class VaultError(Exception):
    """Something about the vault is wrong."""


class VaultUnavailable(VaultError):
    """Its database does not answer."""


class VaultFull(VaultUnavailable):
    """There is no room left: what was to be written certainly was not."""


class VaultBroken(VaultError):
    """A ciphertext, a key or a row is not what it should be: damaged, moved, or another key's."""


class KeysRefused(VaultError, ValueError):
    """The master keys cannot be used: missing, unreadable, or open to others."""
