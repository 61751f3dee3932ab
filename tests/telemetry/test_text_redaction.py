"""No credential in any known shape survives, in any text around it; ordinary text does."""

from __future__ import annotations

import base64
import string
import threading

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from qwatch.telemetry.redaction import MASK, SESSION_PREFIX, TOKEN_PREFIX, Redactor, hashed

TOKEN68 = string.ascii_letters + string.digits + "-._~+/"
URL_SAFE = string.ascii_letters + string.digits + "_-"

surroundings = st.text(max_size=40)
tokens = st.text(TOKEN68, min_size=12, max_size=80)
url_safe = st.text(URL_SAFE, min_size=12, max_size=60)
munge = st.binary(min_size=20, max_size=120).map(lambda raw: f"MUNGE:{base64.b64encode(raw).decode()}:")
users = st.text(string.ascii_letters, min_size=1, max_size=12)
basic = st.tuples(users, url_safe).map(lambda pair: base64.b64encode(":".join(pair).encode()).decode())

HEADERS = (
    "X-Warden-Session",
    "x-munge-cred",
    "Authorization",
    "Proxy-Authorization",
    "api_key",
    "api-key",
    "X-API-Key",
    "client_secret",
    "SECRET_ACCESS_KEY",
    "password",
    "FRESNEL_QRMI_JOB_ACQUISITION_TOKEN",
    "IBM_API_KEY",
    "access_token",
    "QWATCH_TELEMETRY__LOKI_PASSWORD",
)
ASSIGNMENTS = (
    "{name}: {value}",
    "{name}={value}",
    "{name} = '{value}'",
    '"{name}": "{value}"',
    "{{'{name}': '{value}', 'more': 1}}",
    "(b'{name}', b'{value}')",
    '{{\\"{name}\\": \\"{value}\\"}}',
    "{name}: Bearer {value}",
    '{{"{name}": "Basic {value}"}}',
)


@given(surroundings, munge, surroundings)
def test_munge_credentials_disappear(before: str, credential: str, after: str) -> None:
    assert credential not in Redactor().redact(before + credential + after)


@given(surroundings, st.sampled_from([SESSION_PREFIX, TOKEN_PREFIX]), url_safe, surroundings)
def test_own_tokens_disappear(before: str, prefix: str, token: str, after: str) -> None:
    assume(token not in before + after)
    assert token not in Redactor().redact(before + prefix + token + after)


@given(surroundings, st.sampled_from(["Bearer", "bearer", "BEARER"]), tokens, surroundings)
def test_bearer_tokens_disappear(before: str, scheme: str, token: str, after: str) -> None:
    text = f"{before} {scheme} {token} {after}"
    assume(token not in f"{before} {scheme} {after}")
    assert token not in Redactor().redact(text)


@given(surroundings, st.sampled_from(["Basic", "basic"]), basic, surroundings)
def test_basic_credentials_disappear(before: str, scheme: str, credential: str, after: str) -> None:
    assume(credential not in before + after)
    redacted = Redactor().redact(f"{before} {scheme} {credential} {after}")
    assert credential.rstrip("=") not in redacted


@given(surroundings, st.sampled_from(HEADERS), st.sampled_from(ASSIGNMENTS), tokens, surroundings)
def test_assigned_credentials_disappear(before: str, name: str, form: str, token: str, after: str) -> None:
    frame = before + form.format(name=name, value="") + after
    assume(token not in frame)
    # An opening quote in the text before may pair with the assignment's own: not what is tested here.
    assume(not set(before) & set("\"'\\"))
    redacted = Redactor().redact(before + form.format(name=name, value=token) + after)
    assert token not in redacted


@given(surroundings, users, url_safe, surroundings)
def test_passwords_in_addresses_disappear(before: str, user: str, password: str, after: str) -> None:
    assume(password not in before + after + user)
    text = f"{before} postgresql://{user}:{password}@database.site:5432/qwatch {after}"
    redacted = Redactor().redact(text)
    assert password not in redacted
    assert "@database.site:5432/qwatch" in redacted


@given(surroundings, st.text(min_size=6, max_size=40), surroundings)
def test_kept_secrets_disappear(before: str, secret: str, after: str) -> None:
    assume(MASK not in secret and secret not in MASK)
    redactor = Redactor()
    redactor.keep_secret(secret)
    redacted = redactor.redact(before + secret + after)
    # What the mask and the rest form together by chance is no leak.
    assert secret not in redacted.replace(MASK, "\0")


def test_a_kept_secret_that_contains_another_disappears_whole() -> None:
    redactor = Redactor()
    redactor.keep_secret("hunter2")
    redactor.keep_secret("hunter2-and-more")
    assert redactor.redact("it was hunter2-and-more") == f"it was {MASK}"


def test_a_kept_secret_does_not_hide_a_part_of_a_shape() -> None:
    redactor = Redactor()
    redactor.keep_secret("middle")
    assert redactor.redact("Bearer xymiddlezw end") == f"Bearer {MASK} end"


@given(st.text())
def test_redaction_is_stable(text: str) -> None:
    redactor = Redactor()
    once = redactor.redact(text)
    assert redactor.redact(once) == once


ORDINARY = st.lists(
    st.one_of(
        st.text(string.ascii_lowercase, min_size=1, max_size=12),
        st.integers().map(str),
        st.sampled_from(["FRESNEL", "job=17", "state:", "done,", "took", "3.2", "s", "(HTTP", "503)", "→"]),
    ).filter(lambda word: word not in ("bearer", "basic")),
    max_size=20,
).map(" ".join)


@given(ORDINARY)
def test_ordinary_text_is_unchanged(text: str) -> None:
    assert Redactor().redact(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "Basic authentication failed for user 1000",
        "basic knowledge of the bearer token scheme",
        "wrong password, try again",
        "session 3f9c1d0a7be2c645 of user 1000 released",
        "GET https://qpu.site:8005/api/v1/jobs/17?token_type=x -> 200",
        "trace 4bf92f3577b34da6a3ce929d0e0e4736",
        "MUNGE: credential expired",
        "the api key is missing",
    ],
)
def test_text_about_credentials_is_unchanged(text: str) -> None:
    assert Redactor().redact(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Authorization: Bearer abc.def", "Authorization: Bearer [redacted]"),
        ('{"password": "a b\\"c", "n": 1}', '{"password": "[redacted]", "n": 1}'),
        ("IQM_TOKEN=abc next=1", "IQM_TOKEN=[redacted] next=1"),
        ("sid qws_abcdefghij.", "sid [redacted]."),
        ("at http://host/web/enter#qwl_abcdefghij and", "at http://host/web/enter#[redacted] and"),
        ("cookie: qwatch=qww_abcdefghij; Path=/", "cookie: qwatch=[redacted]; Path=/"),
    ],
)
def test_what_is_left_stays_readable(text: str, expected: str) -> None:
    assert Redactor().redact(text) == expected


def test_short_values_are_not_kept() -> None:
    redactor = Redactor()
    redactor.keep_secret("root")
    assert redactor.redact("root logged in") == "root logged in"


def test_the_oldest_of_many_secrets_is_forgotten() -> None:
    redactor = Redactor()
    for number in range(1025):
        redactor.keep_secret(f"value-{number:05}")
    assert redactor.redact("value-00000 value-01024") == f"value-00000 {MASK}"


@pytest.mark.parametrize("unit", ["a", "_", "A_", '\\"', "Bearer ", "://", "://a:", 'password="', "MUNGE:"])
def test_long_text_is_linear_work(unit: str) -> None:
    # With quadratic work a text of this size would not end within the test's time.
    text = unit * (2_000_000 // len(unit))
    assert len(Redactor().redact(text)) <= len(text) * 2


def test_secrets_may_be_kept_while_text_is_redacted() -> None:
    redactor = Redactor()
    failures: list[Exception] = []

    def keep() -> None:
        for number in range(2000):
            redactor.keep_secret(f"secret-{number}")

    def mask() -> None:
        try:
            for _ in range(200):
                redactor.redact("nothing to see here")
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=keep), threading.Thread(target=mask), threading.Thread(target=mask)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_session_ids_are_hashed_to_sixteen_digits() -> None:
    assert hashed("qws_abc") == hashed("qws_abc")
    assert hashed("qws_abc") != hashed("qws_abd")
    assert len(hashed("qws_abc")) == 16
