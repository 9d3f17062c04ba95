"""Authentication: JWT verification, the principal that a token names, and revocation."""

from shared.auth.principal import Principal
from shared.auth.tokens import TokenError, TokenVerifier

__all__ = ["Principal", "TokenError", "TokenVerifier"]
