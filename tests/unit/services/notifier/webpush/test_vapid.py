"""RFC 8292: keys, tokens, and the change of keys."""

import json

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from py_vapid import Vapid02

from services.notifier.base64url import decode, encode
from services.notifier.webpush.vapid import MAX_ORIGINS, VapidKey, VapidKeys, VapidSigner

# RFC 8292, section 2.4.
EXAMPLE_TOKEN = (
    "eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9.eyJhdWQiOiJodHRwczovL3B1c2guZXhhbXBsZS5uZXQiLCJleHAiOjE0NTM1MjM3NjgsInN1YiI6"
    "Im1haWx0bzpwdXNoQGV4YW1wbGUuY29tIn0.i3CYb7t4xfxCDquptFOepC9GAu_HLGkMlMuCGSK2rpiUfnK9ojFwDXb1JrErtmysazNjjvW2L9OkSSHzvoD1oA"
)
EXAMPLE_KEY = "BA1Hxzyi1RUM1b5wjxsn7nGxAszw2u61m164i3MrAIxHF6YK5h4SDYic-dRuU_RCPCfA5aq9ojSwk5Y2EmClBPs"
EXAMPLE_CLAIMS = {"aud": "https://push.example.net", "exp": 1453523768, "sub": "mailto:push@example.com"}

ORIGIN = "https://push.example.net"
SUBJECT = "mailto:push@example.com"


def public_of(point: str) -> ec.EllipticCurvePublicKey:
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), decode(point))


def parts(header: str) -> dict[str, str]:
    scheme, _, rest = header.partition(" ")
    assert scheme == "vapid"
    return dict(part.split("=", 1) for part in rest.split(","))


def test_the_example_of_the_rfc_verifies() -> None:
    assert Vapid02.verify(f"vapid t={EXAMPLE_TOKEN},k={EXAMPLE_KEY}")
    options = {"verify_exp": False, "verify_aud": False}
    claims = jwt.decode(EXAMPLE_TOKEN, public_of(EXAMPLE_KEY), algorithms=["ES256"], options=options)  # type: ignore[arg-type]
    assert claims == EXAMPLE_CLAIMS


def test_our_token_has_the_example_s_shape() -> None:
    key = VapidKey.generate()
    header = VapidSigner("mailto:push@example.com", now=lambda: 1453523768 - 12 * 3600).authorization(key, ORIGIN)
    token, public = parts(header)["t"], parts(header)["k"]
    assert public == encode(key.public)
    assert json.loads(decode(token.split(".")[0])) == {"typ": "JWT", "alg": "ES256"}
    assert json.loads(decode(token.split(".")[1])) == EXAMPLE_CLAIMS
    assert Vapid02.verify(header)


def test_a_token_is_reused_until_it_has_less_than_an_hour_left() -> None:
    now = 1_000_000.0
    signer, key = VapidSigner(SUBJECT, now=lambda: now), VapidKey.generate()
    first = signer.authorization(key, ORIGIN)
    now += 11 * 3600 - 1
    assert signer.authorization(key, ORIGIN) == first
    now += 2
    assert signer.authorization(key, ORIGIN) != first


def test_each_origin_and_key_has_a_token_of_its_own() -> None:
    signer, key, other = VapidSigner(SUBJECT), VapidKey.generate(), VapidKey.generate()
    headers = {signer.authorization(k, o) for k in (key, other) for o in (ORIGIN, "https://other.example")}
    assert len(headers) == 4


def test_invented_origins_don_t_fill_the_memory() -> None:
    signer, key = VapidSigner(SUBJECT), VapidKey.generate()
    kept = signer.authorization(key, ORIGIN)
    for number in range(2 * MAX_ORIGINS):
        signer.authorization(key, f"https://{number}.notify.windows.com")
        if number % 100 == 0:
            assert signer.authorization(key, ORIGIN) == kept
    assert len(signer._headers) == MAX_ORIGINS


def test_a_key_survives_its_text() -> None:
    key = VapidKey.generate()
    again = VapidKey.parse(key.private_text())
    assert (again.public, again.id) == (key.public, key.id)
    assert len(key.public) == 65
    assert len(key.id) == 16


def test_a_key_whose_number_begins_with_zeros_keeps_its_32_bytes() -> None:
    text = encode((1).to_bytes(32))
    assert VapidKey.parse(text).private_text() == text


@pytest.mark.parametrize("text", ["", "abc", encode(bytes(31)), encode(bytes(32)), encode(b"\xff" * 32), "a b"])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        VapidKeys.parse(text)


def test_keys_change_the_first_is_current_and_the_others_still_sign() -> None:
    new, old = VapidKey.generate(), VapidKey.generate()
    keys = VapidKeys.parse(f"{new.private_text()}, {old.private_text()}")
    assert keys.current.id == new.id
    found = keys.find(old.id)
    assert found is not None
    assert found.public == old.public
    assert keys.find(VapidKey.generate().id) is None
    by_public = keys.find_by_public(old.public)
    assert by_public is not None
    assert by_public.id == old.id
