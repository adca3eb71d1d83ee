"""SCAIP in both roles: its XML, what it means as alarms, and SIP MESSAGE with the transactions that it needs."""

from protocols.centre.scaip.codes import MessageType, Status
from protocols.centre.scaip.examine import Finding, examine
from protocols.centre.scaip.messages import Dialect, MessageError, Position, Request, Response, decode, encode
from protocols.centre.scaip.read_alarm import read_alarm, reply_of, wire_reference
from protocols.centre.scaip.receiver import AlarmReceived, Bad, Call, Heartbeat, Receiver, ReplySettled, reply_to
from protocols.centre.scaip.sender import Delivered, Failed, Refused, Sender, SenderError, Unexpected
from protocols.centre.scaip.sip_digest import Credentials, Guard
from protocols.centre.scaip.sip_flow import TCP, TLS, UDP, Closed, Flow, Hangup, Received, Transmit
from protocols.centre.scaip.write_alarm import WriteError, Written, heartbeat, write_alarm

__all__ = [
    "TCP",
    "TLS",
    "UDP",
    "AlarmReceived",
    "Bad",
    "Call",
    "Closed",
    "Credentials",
    "Delivered",
    "Dialect",
    "Failed",
    "Finding",
    "Flow",
    "Guard",
    "Hangup",
    "Heartbeat",
    "MessageError",
    "MessageType",
    "Position",
    "Received",
    "Receiver",
    "Refused",
    "ReplySettled",
    "Request",
    "Response",
    "Sender",
    "SenderError",
    "Status",
    "Transmit",
    "Unexpected",
    "WriteError",
    "Written",
    "decode",
    "encode",
    "examine",
    "heartbeat",
    "read_alarm",
    "reply_of",
    "reply_to",
    "wire_reference",
    "write_alarm",
]
