"""Digest authentication: the RFCs' own examples, both halves against each other, and what must not be let in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.centre.scaip.sip_digest import Challenge, Credentials, Guard, Verdict, answer, read_challenge
from protocols.centre.scaip.sip_flow import Answered, Received
from protocols.centre.scaip.sip_message import Headers, SipRequest, parse, top_via
from tests.sip_messages import PLAIN, UDP, agent, draft, reply


class TestDigest:
    KEY = b"k" * 32

    def guard(self, **more):
        return Guard("centre", self.KEY, {"1": "secret"}.get, **more)

    def asked(self, value):
        headers = [*parse(PLAIN).headers, ("Authorization", value)]
        return SipRequest("MESSAGE", "sip:arc@127.0.0.1", Headers(headers))

    def test_the_example_of_rfc_2617(self):
        challenge = Challenge(
            "testrealm@host.com", "dcd98b7102dd2f0e8b11d0f600bfb0c093", "MD5", "5ccc069c403ebaf9f0171e9517f40e41"
        )
        value = answer(
            challenge,
            Credentials("Mufasa", "Circle Of Life"),
            "GET",
            "/dir/index.html",
            count=1,
            client_nonce="0a4f113b",
        )
        assert 'response="6629fae49393a05397450978507c4ef1"' in value

    @pytest.mark.parametrize(
        ("algorithm", "response"),
        [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ],
    )
    def test_the_examples_of_rfc_7616(self, algorithm, response):
        challenge = Challenge("http-auth@example.org", "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", algorithm)
        value = answer(
            challenge, Credentials("Mufasa", "Circle of Life"), "GET", "/dir/index.html",
            count=1, client_nonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
        )  # fmt: skip
        assert f'response="{response}"' in value

    @pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
    def test_both_ends_agree_and_one_letter_less_does_not(self, algorithm):
        guard = self.guard(algorithms=(algorithm,))
        challenge = read_challenge(list(guard.challenges(100.0)))
        assert challenge.algorithm == algorithm
        for password, verdict in (("secret", Verdict.GOOD), ("secre", Verdict.WRONG)):
            value = answer(challenge, Credentials("1", password), "MESSAGE", "sip:arc@h", count=1, client_nonce="c")
            assert guard.judge(self.asked(value), 101.0)[0] is verdict

    def test_the_strongest_is_chosen_wherever_it_stands(self):
        assert read_challenge(list(self.guard().challenges(0.0))).algorithm == "SHA-256"
        assert (
            read_challenge(['Digest realm="r", nonce="n", algorithm=SHA-512-256', 'Digest realm="r", nonce="m"']).nonce
            == "m"
        )
        assert read_challenge(['Digest realm="r", nonce="n", qop="auth-int"']) is None
        assert read_challenge(['Basic realm="r"', 'Digest realm="r"', 'Digest a="b", a="c", nonce="n"']) is None

    def test_a_nonce_ends_by_itself_and_a_strangers_is_none(self):
        guard = self.guard(life_s=300.0)
        challenge = read_challenge(list(guard.challenges(100.0)))
        value = answer(challenge, Credentials("1", "secret"), "MESSAGE", "sip:arc@h", count=1, client_nonce="c")
        assert guard.judge(self.asked(value), 400.0) == (Verdict.GOOD, "1")
        assert guard.judge(self.asked(value), 400.1)[0] is Verdict.STALE
        assert guard.judge(self.asked(value), 50.0)[0] is Verdict.STALE
        other = Guard("centre", b"x" * 32, {"1": "secret"}.get)
        assert other.judge(self.asked(value), 101.0)[0] is Verdict.WRONG
        assert self.guard().judge(parse(PLAIN), 0.0)[0] is Verdict.MISSING

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("qop=auth", "qop=none"), ("nc=00000001", "nc=0"), ("nc=00000001", "nc=00000000"),
            ('username="1"', 'username="2"'),
            ("MESSAGE", "MESSAGE"), ('nonce="', 'nonce="0'), ("algorithm=SHA-256", "algorithm=SHA-1"),
        ],
    )  # fmt: skip
    def test_a_changed_answer_is_wrong(self, old, new):
        guard = self.guard()
        challenge = read_challenge(list(guard.challenges(100.0)))
        value = answer(challenge, Credentials("1", "secret"), "MESSAGE", "sip:arc@h", count=1, client_nonce="c")
        good = old == new
        changed = value.replace(old, new) if old in value else value
        assert (guard.judge(self.asked(changed), 101.0)[0] is Verdict.GOOD) is good

    def test_the_client_answers_once_counts_its_nonce_and_gives_up_on_a_wrong_password(self):
        ours = agent(credentials=Credentials("1", "secret"))
        guard = self.guard()
        ask = [("WWW-Authenticate", value) for value in guard.challenges(0.0)]
        _, (first,) = ours.submit(draft(), UDP, 0.0)
        (second,) = ours.handle(Received(UDP, reply(first.octets, 401, *ask)), 0.1)
        one, two = parse(first.octets), parse(second.octets)
        assert two.headers.get("CSeq") == "2 MESSAGE"
        assert one.headers.get("Call-ID") == two.headers.get("Call-ID")
        assert top_via(one.headers).get("branch") != top_via(two.headers).get("branch")
        assert guard.judge(two, 0.2) == (Verdict.GOOD, "1")
        assert len(ours.handle(Received(UDP, reply(second.octets, 200)), 0.3)) == 1
        _, (third,) = ours.submit(draft(), UDP, 1.0)
        assert "nc=00000002" in parse(third.octets).headers.get("Authorization")
        (fourth,) = ours.handle(Received(UDP, reply(third.octets, 401, *ask)), 1.1)
        (end,) = ours.handle(Received(UDP, reply(fourth.octets, 401, *ask)), 1.2)
        assert (type(end), end.response.status) == (Answered, 401)

    def test_a_stale_nonce_is_answered_with_the_new_one(self):
        ours = agent(credentials=Credentials("1", "secret"))
        _, (sent,) = ours.submit(draft(), UDP, 0.0)
        for now in (1.0, 2.0):
            ask = [("Proxy-Authenticate", value) for value in self.guard().challenges(now, stale=True)]
            (sent,) = ours.handle(Received(UDP, reply(sent.octets, 407, *ask)), now)
            assert parse(sent.octets).headers.get("Proxy-Authorization")

    def test_no_password_shows_in_a_representation(self):
        assert "secret" not in repr(Credentials("1", "secret"))

    @given(st.text(max_size=200))
    def test_no_header_breaks_the_guard(self, text):
        read_challenge([text, f"Digest {text}"])
        assert self.guard().judge(self.asked(f'Digest realm="centre", {text}'), 0.0)[0] is not Verdict.GOOD
