"""A PJSIP endpoint as a process: `device` sends one SCAIP message, `centre` answers every one. JSON lines on stdout.

Run by `tests.sip_programs.pjsip`, never imported: PJSIP has threads of its own.
"""

from __future__ import annotations

import argparse
import json
import re
import sys

import pjsua2

TYPE = "application/scaip+xml"
TRANSPORTS = {"udp": pjsua2.PJSIP_TRANSPORT_UDP, "tcp": pjsua2.PJSIP_TRANSPORT_TCP, "tls": pjsua2.PJSIP_TRANSPORT_TLS}


def say(kind: str, **more: object) -> None:
    print(json.dumps({"kind": kind, **more}), flush=True)


class Account(pjsua2.Account):
    """One identity. Messages are kept for the main loop: PJSIP forbids to answer from inside its own call."""

    def __init__(self) -> None:
        super().__init__()
        self.came: list[tuple[str, str]] = []

    def onInstantMessage(self, prm: pjsua2.OnInstantMessageParam) -> None:
        say("message", type=prm.contentType, body=prm.msgBody, sender=prm.fromUri)
        self.came.append((prm.rdata.srcAddress, prm.msgBody))

    def onInstantMessageStatus(self, prm: pjsua2.OnInstantMessageStatusParam) -> None:
        say("status", code=int(prm.code))


def send(account: Account, to: str, body: str) -> pjsua2.Buddy:
    config = pjsua2.BuddyConfig()
    config.uri = to
    buddy = pjsua2.Buddy()
    buddy.create(account, config)
    message = pjsua2.SendInstantMessageParam()
    message.contentType = TYPE
    message.content = body
    buddy.sendInstantMessage(message)
    return buddy


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=["device", "centre"])
    parser.add_argument("--transport", default="udp", choices=sorted(TRANSPORTS))
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--user", default="arc")
    parser.add_argument("--to")
    parser.add_argument("--body")
    parser.add_argument("--snu", default="0")
    parser.add_argument("--password")
    parser.add_argument("--authorities")
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    arguments = parser.parse_args()

    endpoint = pjsua2.Endpoint()
    endpoint.libCreate()
    config = pjsua2.EpConfig()
    config.logConfig.level = 0
    config.logConfig.consoleLevel = 0
    config.uaConfig.threadCnt = 0
    config.uaConfig.mainThreadOnly = True
    endpoint.libInit(config)
    transport = pjsua2.TransportConfig()
    transport.port = arguments.port
    transport.boundAddress = "127.0.0.1"
    transport.publicAddress = "127.0.0.1"
    transport.tlsConfig.verifyServer = True
    transport.tlsConfig.CaListFile = arguments.authorities or ""
    transport.tlsConfig.certFile = arguments.certificate or ""
    transport.tlsConfig.privKeyFile = arguments.key or ""
    endpoint.transportCreate(TRANSPORTS[arguments.transport], transport)
    endpoint.libStart()

    identity = pjsua2.AccountConfig()
    suffix = "" if arguments.transport == "udp" else f";transport={arguments.transport}"
    identity.idUri = f"sip:{arguments.user}@127.0.0.1:{arguments.port}{suffix}"
    if arguments.password:
        identity.sipConfig.authCreds.append(pjsua2.AuthCredInfo("digest", "*", arguments.user, 0, arguments.password))
    account = Account()
    account.create(identity)
    say("ready", port=arguments.port)

    kept = []
    if arguments.role == "device":
        kept.append(send(account, arguments.to, arguments.body))
    while True:
        endpoint.libHandleEvents(50)
        while arguments.role == "centre" and account.came:
            # As a centre without registrations does: back to where the message came from.
            source, body = account.came.pop(0)
            sender = f"sip:unit@{source}{suffix}"
            ref = re.search("<ref>([^<]*)</ref>", body)
            kept.append(
                send(account, sender, f"<mrs><ref>{ref[1] if ref else ''}</ref><snu>{arguments.snu}</snu></mrs>")
            )


if __name__ == "__main__":
    sys.exit(main())
