"""Who is asking: JWT verification, and the principal that a token names."""

from shared.auth.principal import Principal
from shared.auth.tokens import TokenError, TokenVerifier

__all__ = ["Principal", "TokenError", "TokenVerifier"]
