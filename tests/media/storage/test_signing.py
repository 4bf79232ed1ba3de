from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from media.storage import InvalidKey, signing
from media.storage.signing import Grant, SignatureInvalidProblem, SignedUrls, UrlExpiredProblem

URLS = SignedUrls(base_url="http://localhost:8000/storage/", signing_key="k" * 40)
NOW = 1_750_000_000.0
KEY = "users/1/tests/2/source.mp4"


def signed(method: str = "PUT", **bound: str | int | None) -> str:
    return urlsplit(URLS.sign(method, KEY, expires=900, now=NOW, **bound)).query


def test_a_url_carries_what_it_allows() -> None:
    url = URLS.sign(
        "PUT", KEY, expires=900, now=NOW, content_type="video/mp4", size_bytes=7, once=1
    )
    assert url.startswith(f"http://localhost:8000/storage/{KEY}?expires=1750000900&")
    grant = URLS.verify("PUT", KEY, urlsplit(url).query, now=NOW)
    assert grant == Grant(KEY, content_type="video/mp4", size_bytes=7, filename=None, once=True)


@pytest.mark.parametrize("seconds", [0, 1, 899])
def test_good_for_fifteen_minutes(seconds: int) -> None:
    assert URLS.verify("PUT", KEY, signed(), now=NOW + seconds).key == KEY


@pytest.mark.parametrize("seconds", [900, 901, 86_400])
def test_and_no_longer(seconds: int) -> None:
    with pytest.raises(UrlExpiredProblem):
        URLS.verify("PUT", KEY, signed(), now=NOW + seconds)


@pytest.mark.parametrize("name", ["expires", "content_type", "size_bytes", "signature", "filename"])
@pytest.mark.parametrize("value", ["", "1", "9999999999", "é", "\x00", None])
def test_nothing_can_be_altered_or_left_out(name: str, value: str | None) -> None:
    pairs = dict(parse_qsl(signed(content_type="video/mp4", size_bytes=7, filename="a.mp4")))
    assert name in pairs
    if value is None:
        del pairs[name]
    else:
        pairs[name] = value
    with pytest.raises(SignatureInvalidProblem):
        URLS.verify("PUT", KEY, urlencode(pairs), now=NOW)


@pytest.mark.parametrize("more", ["once=1", "expires=9999999999", "x=", "size_bytes=8"])
def test_nothing_can_be_added(more: str) -> None:
    with pytest.raises(SignatureInvalidProblem):
        URLS.verify("PUT", KEY, f"{signed(size_bytes=7)}&{more}", now=NOW)
    with pytest.raises(SignatureInvalidProblem):
        URLS.verify("PUT", KEY, f"{more}&{signed(size_bytes=7)}", now=NOW)


def test_neither_key_nor_method_can_be_exchanged() -> None:
    with pytest.raises(SignatureInvalidProblem):
        URLS.verify("GET", KEY, signed("PUT"), now=NOW)
    with pytest.raises(SignatureInvalidProblem):
        URLS.verify("PUT", KEY.replace("1", "2"), signed("PUT"), now=NOW)


def test_another_key_signs_otherwise() -> None:
    signed_urls = SignedUrls(base_url=URLS.base_url, signing_key="other")
    with pytest.raises(SignatureInvalidProblem):
        signed_urls.verify("PUT", KEY, signed(), now=NOW)


def test_while_the_key_rotates_both_are_good_and_the_new_one_signs() -> None:
    rotated = SignedUrls(URLS.base_url, signing_key="n" * 40, fallbacks=(URLS.signing_key,))
    assert rotated.verify("PUT", KEY, signed(), now=NOW).key == KEY
    new = urlsplit(rotated.sign("PUT", KEY, expires=900, now=NOW)).query
    assert rotated.verify("PUT", KEY, new, now=NOW).key == KEY
    over = SignedUrls(URLS.base_url, signing_key="n" * 40)
    assert over.verify("PUT", KEY, new, now=NOW).key == KEY
    with pytest.raises(SignatureInvalidProblem):
        over.verify("PUT", KEY, signed(), now=NOW)


def test_values_cannot_imitate_parameters() -> None:
    first = signed(filename="a&size_bytes=7")
    assert URLS.verify("PUT", KEY, first, now=NOW).filename == "a&size_bytes=7"
    with pytest.raises(SignatureInvalidProblem):
        URLS.verify("PUT", KEY, first.replace("%26", "&").replace("%3D", "="), now=NOW)


@pytest.mark.parametrize("query", ["", "signature=", "signature", "expires=1", "&&=&", "%ff=%00"])
def test_no_signature_at_all(query: str) -> None:
    with pytest.raises(SignatureInvalidProblem):
        URLS.verify("PUT", KEY, query, now=NOW)


def test_a_bad_key_is_refused_even_with_a_good_signature() -> None:
    pairs = [("expires", "9999999999")]
    text = signing._build_signed_text("GET", "../secret", pairs)
    pairs.append(("signature", signing._compute_signature(URLS.signing_key, text)))
    with pytest.raises(InvalidKey):
        URLS.verify("GET", "../secret", urlencode(pairs), now=NOW)
