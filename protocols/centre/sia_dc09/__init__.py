"""SIA DC-09 in both roles: frames, SIA-DCS and ADM-CID data, encryption, and one machine for each end."""

from protocols.centre.sia_dc09.cipher import Key
from protocols.centre.sia_dc09.frame import CrcForm, Frame, FrameError, Reason, decode, encode, next_sequence
from protocols.centre.sia_dc09.interpret import read_alarms
from protocols.centre.sia_dc09.receiver import AlarmReceived, Bad, Heartbeat, Receiver, Seen, Verdict
from protocols.centre.sia_dc09.sender import (
    ACK_TIMEOUT_S,
    ClockNak,
    Closed,
    Delivered,
    NoAnswer,
    Refused,
    Sender,
    SenderError,
    Unexpected,
)
from protocols.centre.sia_dc09.stream import Splitter
from protocols.centre.sia_dc09.translate import alarm_frame, envelope, poll, translate, unit_account

__all__ = [
    "ACK_TIMEOUT_S",
    "AlarmReceived",
    "Bad",
    "ClockNak",
    "Closed",
    "CrcForm",
    "Delivered",
    "Frame",
    "FrameError",
    "Heartbeat",
    "Key",
    "NoAnswer",
    "Reason",
    "Receiver",
    "Refused",
    "Seen",
    "Sender",
    "SenderError",
    "Splitter",
    "Unexpected",
    "Verdict",
    "alarm_frame",
    "decode",
    "encode",
    "envelope",
    "next_sequence",
    "poll",
    "read_alarms",
    "translate",
    "unit_account",
]
