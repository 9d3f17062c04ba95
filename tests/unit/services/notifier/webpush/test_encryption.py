"""RFC 8291, and what its keys must be."""

import os

import http_ece
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from services.notifier.base64url import decode, encode
from services.notifier.webpush.encryption import MAX_PLAINTEXT_BYTES, check_keys, encrypt

# RFC 8291, appendix A.
PLAINTEXT = decode("V2hlbiBJIGdyb3cgdXAsIEkgd2FudCB0byBiZSBhIHdhdGVybWVsb24")
AS_PRIVATE = decode("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw")
AS_PUBLIC = decode("BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8")
UA_PRIVATE = decode("q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94")
UA_PUBLIC = decode("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4")
SALT = decode("DGv6ra1nlYgDCS1FRnbzlw")
AUTH = decode("BTBZMqHH6r4Tts7J_aSIgg")
BODY = decode(
    "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
)


def key_of(scalar: bytes) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(scalar), ec.SECP256R1())


def point_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def test_the_example_of_the_rfc() -> None:
    assert PLAINTEXT == b"When I grow up, I want to be a watermelon"
    assert point_of(key_of(AS_PRIVATE)) == AS_PUBLIC
    assert encrypt(PLAINTEXT, UA_PUBLIC, AUTH, sender_key=key_of(AS_PRIVATE), salt=SALT) == BODY


def test_the_example_decrypts() -> None:
    assert http_ece.decrypt(BODY, private_key=key_of(UA_PRIVATE), auth_secret=AUTH, version="aes128gcm") == PLAINTEXT


def test_key_and_salt_are_fresh_each_time() -> None:
    first, second = (encrypt(PLAINTEXT, UA_PUBLIC, AUTH) for _ in range(2))
    assert first[:16] != second[:16]
    assert first[21:86] != second[21:86]
    assert http_ece.decrypt(first, private_key=key_of(UA_PRIVATE), auth_secret=AUTH, version="aes128gcm") == PLAINTEXT


def test_the_largest_plaintext_makes_one_record_of_4096_bytes() -> None:
    assert len(encrypt(b"x" * MAX_PLAINTEXT_BYTES, UA_PUBLIC, AUTH)) == 4096
    with pytest.raises(ValueError, match="3994 bytes"):
        encrypt(b"x" * (MAX_PLAINTEXT_BYTES + 1), UA_PUBLIC, AUTH)


def test_good_keys_pass() -> None:
    check_keys(UA_PUBLIC, AUTH)


@pytest.mark.parametrize(
    ("p256dh", "auth", "message"),
    [
        (UA_PUBLIC[:-1], AUTH, "65 bytes"),
        (UA_PUBLIC + b"\0", AUTH, "65 bytes"),
        (b"\x02" + UA_PUBLIC[1:], AUTH, "uncompressed"),
        (b"\x04" + bytes(64), AUTH, "curve"),
        (UA_PUBLIC[:-1] + bytes([UA_PUBLIC[-1] ^ 1]), AUTH, "curve"),
        (b"", AUTH, "65 bytes"),
        (UA_PUBLIC, AUTH[:-1], "16 bytes"),
        (UA_PUBLIC, AUTH + b"\0", "16 bytes"),
    ],
)
def test_keys_that_no_browser_made_are_refused(p256dh: bytes, auth: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_keys(p256dh, auth)


def test_random_points_are_refused() -> None:
    for _ in range(20):
        with pytest.raises(ValueError, match="curve"):
            check_keys(b"\x04" + os.urandom(64), AUTH)


@pytest.mark.parametrize("text", ["a b", "a+b", "a/b", "ä", "====", "a\n"])
def test_other_alphabets_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="base64"):
        decode(text)


def test_padding_is_optional() -> None:
    for size in range(5):
        data = bytes(range(size))
        assert decode(encode(data)) == data
        assert decode(encode(data) + "=" * (-len(encode(data)) % 4)) == data
