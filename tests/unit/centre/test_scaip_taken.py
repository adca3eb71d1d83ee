"""The end of SCAIP that hears of *taken*: what is read as such a report, and what answers it."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.centre.scaip.messages import Request, Response, decode, encode
from protocols.centre.scaip.sender import READ_TYPES, SCAIP_XML
from protocols.centre.scaip.sip_agent import UserAgent
from protocols.centre.scaip.sip_digest import Credentials, Guard
from protocols.centre.scaip.sip_flow import UDP, Draft, Flow, Incoming, Received, Transmit
from protocols.centre.scaip.sip_message import Headers
from protocols.centre.scaip.taken import TAKEN_STATUS, Answer, TakenReceiver, read_report

CENTRE, HERE = ("192.0.2.9", 5060), ("192.0.2.1", 5060)


def tokens():
    numbers = itertools.count(1)
    return lambda: f"t{next(numbers)}"


class Peer:
    """A centre's user agent and our end, joined: what one writes the other reads."""

    def __init__(self, password="secret"):
        guard = Guard("livlina taken", b"k" * 32, {"North": "secret"}.get)
        self.here = TakenReceiver(tokens(), guard)
        self.centre = UserAgent(tokens(), accept=READ_TYPES, credentials=Credentials("North", password))
        self.said, self.replies, self.statuses = [], [], []

    def send(self, message, kind=SCAIP_XML):
        headers = Headers([("Content-Type", kind)])
        draft = Draft(
            "MESSAGE", "sip:taken@192.0.2.1", "sip:arc@192.0.2.9", "sip:taken@192.0.2.1", headers, encode(message)
        )
        self.to_here(self.centre.submit(draft, Flow(UDP, CENTRE, HERE), 0.0)[1])

    def to_here(self, actions):
        for action in actions:
            if isinstance(action, Transmit):
                wires, said = self.here.handle(Received(Flow(UDP, HERE, CENTRE), action.octets), 0.0)
                self.said += said
                self.to_centre(wires)
            elif isinstance(action, Incoming):
                self.replies.append(decode(action.request.body))
                self.to_here(self.centre.respond(action.ticket, 200, 0.0))
            elif type(action).__name__ == "Answered":
                self.statuses.append(action.response.status)

    def to_centre(self, wires):
        for wire in wires:
            self.to_here(self.centre.handle(Received(Flow(UDP, CENTRE, HERE), wire.octets), 0.0))

    def answer(self, answer):
        self.to_centre(self.here.answer(self.said[-1], answer, 0.0))


@pytest.mark.parametrize("answer", Answer)
def test_an_information_is_answered_by_a_reply_of_its_own(answer):
    peer = Peer()
    peer.send(Request("r1", "1", "45", mty="IN", stc="005", ite="7"))
    assert [(one.user, one.ref, one.operator) for one in peer.said] == [("North", "r1", "7")]
    assert peer.replies == []
    peer.answer(answer)
    assert [(one.ref, one.status, one.ste) for one in peer.replies] == [("r1", answer.value[0], answer.value[1])]
    assert peer.statuses == [200]


@pytest.mark.parametrize("answer", Answer)
def test_a_further_reply_is_answered_by_its_response(answer):
    peer = Peer()
    peer.send(Response("r1", "0", ste="Taken: Anna Ek"))
    assert [(one.ref, one.operator) for one in peer.said] == [("r1", "Anna Ek")]
    assert peer.statuses == []
    peer.answer(answer)
    assert (peer.statuses, peer.replies) == ([answer.value[2]], [])


def test_a_wrong_password_is_refused_whatever_is_said():
    peer = Peer("another")
    peer.send(Request("r1", "1", "45", mty="IN", stc="5"))
    assert (peer.said, peer.statuses) == ([], [401])


def test_a_sign_of_life_is_answered_and_an_alarm_is_not_treated():
    peer = Peer()
    peer.send(Request("r1", "1", "45", mty="PI"))
    peer.send(Request("r2", "1", "3", stc="10"))
    peer.send(Response("r3", "0"))
    assert peer.said == []
    assert [(one.ref, one.status) for one in peer.replies] == [("r1", 0), ("r2", 5)]


@given(st.sampled_from(["ME", "RE", "IN", "PI", "in", "XX"]), st.integers(0, 200))
def test_only_an_information_with_one_of_these_statuses_is_a_report(kind, status):
    found = read_report(Request("r1", "1", "45", mty=kind, stc=str(status)), "North", None)
    assert (found is not None) == (kind.upper() == "IN" and status in TAKEN_STATUS)


@given(st.text(max_size=90), st.sampled_from(["0", "00", "5", "99"]))
def test_only_a_reply_that_says_taken_is_a_report_and_its_name_is_harmless(text, status):
    found = read_report(Response("r1", status, ste=f"taken {text}"), "North", None)
    assert (found is not None) == (int(status) == 0)
    assert found is None or (len(found.operator) <= 60 and found.operator == found.operator.strip())
    assert read_report(Response("r1", status, ste=f"not {text}"), "North", None) is None
