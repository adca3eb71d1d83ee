"""Other people's SIP programs, started by tests and ended by their own pid: SIPp, PJSIP and Kamailio."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.programs import find_program

HERE = Path(__file__).parent
PATIENCE_S = 60.0

DEVICE = """<?xml version="1.0" encoding="UTF-8"?>
<scenario name="device">
  <send retrans="500">
<![CDATA[
MESSAGE sip:arc@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch];rport
From: <sip:@cid@@[local_ip]:[local_port]>;tag=[call_number]
To: <sip:arc@[remote_ip]:[remote_port]>
Call-ID: [call_id]
CSeq: 1 MESSAGE
Max-Forwards: 70
Content-Type: application/scaip+xml
Content-Length: [len]

@body@
]]>
  </send>
@challenge@
  <recv response="200" timeout="60000"/>
  <pause milliseconds="300000"/>
</scenario>
"""

CHALLENGE = """  <recv response="401" auth="true"/>
  <send retrans="500">
<![CDATA[
MESSAGE sip:arc@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch];rport
From: <sip:@cid@@[local_ip]:[local_port]>;tag=[call_number]
To: <sip:arc@[remote_ip]:[remote_port]>
Call-ID: [call_id]
CSeq: 2 MESSAGE
[authentication username=@cid@ password=secret]
Max-Forwards: 70
Content-Type: application/scaip+xml
Content-Length: [len]

@body@
]]>
  </send>
"""

DEVICE_READS_REPLY = """<?xml version="1.0" encoding="UTF-8"?>
<scenario name="a reply comes">
  <recv request="MESSAGE">
    <action>
      <ereg regexp="&lt;ref&gt;@ref@&lt;/ref&gt;&lt;snu&gt;@snu@&lt;/snu&gt;" search_in="body"
            check_it="true" assign_to="1"/>
      <ereg regexp="application/scaip.xml" search_in="hdr" header="Content-Type:" check_it="true" assign_to="2"/>
    </action>
  </recv>
  <Reference variables="1,2"/>
  <send>
<![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:];tag=[call_number]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]>
  </send>
</scenario>
"""

CENTRE_HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<scenario name="centre">
  <recv request="MESSAGE">
    <action>
      <ereg regexp="&lt;ref&gt;([0-9A-Za-z]+)&lt;/ref&gt;" search_in="body" check_it="true" assign_to="1,ref"/>
      <ereg regexp="sip:[^&gt;;]*" search_in="hdr" header="From:" check_it="true" assign_to="device"/>
      <ereg regexp="application/scaip.xml" search_in="hdr" header="Content-Type:" check_it="true" assign_to="2"/>
    </action>
  </recv>
  <Reference variables="1,2,ref,device"/>
"""

CENTRE_ASKS = """  <send>
<![CDATA[
SIP/2.0 401 Unauthorized
[last_Via:]
[last_From:]
[last_To:];tag=[call_number]
[last_Call-ID:]
[last_CSeq:]
WWW-Authenticate: Digest realm="sipp", nonce="47ebe028cda119c35d4877b383027d28da013815", algorithm=MD5, qop="auth"
Content-Length: 0

]]>
  </send>
  <recv request="MESSAGE">
    <action>
      <ereg regexp=".*" search_in="hdr" header="Authorization:" check_it="true" assign_to="3"/>
      <verifyauth assign_to="4" username="0000000042" password="secret"/>
    </action>
  </recv>
  <Reference variables="3"/>
  <nop test="4" next="1"/>
  <send next="2">
<![CDATA[
SIP/2.0 403 Forbidden
[last_Via:]
[last_From:]
[last_To:];tag=[call_number]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]>
  </send>
  <label id="1"/>
"""

CENTRE_CARRIES = """  <send>
<![CDATA[
SIP/2.0 @carried@
[last_Via:]
[last_From:]
[last_To:];tag=[call_number]
[last_Call-ID:]
[last_CSeq:]
@body@
]]>
  </send>
"""

CENTRE_REPLIES = """  <send retrans="500">
<![CDATA[
MESSAGE [$device] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch];rport
From: <sip:arc@[local_ip]:[local_port]>;tag=a[call_number]
To: <[$device]>
Call-ID: [call_id]
CSeq: 7 MESSAGE
Max-Forwards: 70
Content-Type: application/scaip+xml
Content-Length: [len]

<mrs><ref>[$ref]</ref><snu>@snu@</snu><mre>1</mre><cre>62</cre><tnu>gsm:+46101234567</tnu></mrs>
]]>
  </send>
  <recv response="200" timeout="60000"/>
"""
CENTRE_ENDS = """  <label id="2"/>
</scenario>
"""
NO_BODY = "Content-Length: 0\n"


def filled(text: str, **values: str) -> str:
    """A scenario with its @names@ filled in."""
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    assert "@cid@" not in text and "@body@" not in text
    return text


class Program:
    """A running program and everything it printed; `ended` is its exit status."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self.process = process
        self.log = log

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    async def ended(self) -> int:
        async with asyncio.timeout(PATIENCE_S):
            return await self.process.wait()


@asynccontextmanager
async def running(log: Path, *argv: str, cwd: Path) -> AsyncIterator[Program]:
    """Starts a program in a process group of its own, and ends that group whatever happens."""
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            *argv, cwd=cwd, stdin=asyncio.subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
    try:
        yield Program(process, log)
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


@asynccontextmanager
async def sipp(
    folder: Path, name: str, scenario: str, port: int, *more: str, transport: str = "u1"
) -> AsyncIterator[Program]:
    """SIPp with one scenario on a loopback port."""
    file = folder / f"{name}.xml"
    file.write_text(scenario)
    argv = [find_program("sipp"), "-sf", str(file), "-i", "127.0.0.1", "-p", str(port), "-t", transport, "-nostdin"]
    async with running(folder / f"{name}.log", *argv, "-trace_err", "-m", "1", *more, cwd=folder) as program:
        yield program


def no_complaint(folder: Path) -> None:
    """Fails if a SIPp that ran in this folder found something else than its scenario expects."""
    said = "".join(file.read_text(errors="replace") for file in folder.glob("*_errors.log"))
    assert "Failed regexp match" not in said, said


async def listens(port: int) -> None:
    """Returns when a UDP or TCP socket of this port is open, as the kernel tells."""
    wanted = f":{port:04X}"
    async with asyncio.timeout(PATIENCE_S):
        while True:
            lines = [line for kind in ("udp", "tcp") for line in Path(f"/proc/net/{kind}").read_text().splitlines()]
            if any(line.split()[1].endswith(wanted) for line in lines[1:] if len(line.split()) > 1):
                return
            await asyncio.sleep(0.02)


class Pjsip:
    """A PJSIP endpoint in a process of its own; it speaks JSON lines."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def says(self, kind: str) -> dict[str, Any]:
        """The next line of this kind."""
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            while line := await self._process.stdout.readline():
                if not line.startswith(b"{"):
                    continue  # PJSIP's own first word
                found = json.loads(line)
                if found["kind"] == kind:
                    return dict(found)
        raise AssertionError(f"PJSIP ended before it said {kind}")


@asynccontextmanager
async def pjsip(role: str, *more: str) -> AsyncIterator[Pjsip]:
    """The script `pjsip_peer.py` as device or centre; ended by its pid."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(HERE / "pjsip_peer.py"), role, *more,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield Pjsip(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def certificate(folder: Path, name: str, address: str = "127.0.0.1") -> tuple[Path, Path]:
    """A self-signed certificate for an address, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / f"{name}.crt", folder / f"{name}.key"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths


def server_context(folder: Path, name: str = "centre") -> ssl.SSLContext:
    """A server's context with a fresh certificate, which lies in the folder under this name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate(folder, name))
    return context


def no_socket(port: int) -> None:
    """Fails unless the port is free: a control for tests that need a dead centre."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", port))


KAMAILIO = """
debug=1
log_stderror=yes
fork=yes
children=1
tcp_children=1
socket_workers=1
auto_aliases=no
dns=no
rev_dns=no
tcp_connection_lifetime=600
listen=udp:127.0.0.1:@port@
listen=tcp:127.0.0.1:@port@
enable_tls=yes
listen=tls:127.0.0.1:@tls@

loadmodule "tls.so"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "htable.so"
modparam("tls", "config", "@folder@/tls.cfg")
modparam("tm", "fr_timer", @patience@)
modparam("htable", "htable", "units=>size=8;autoexpire=600;")

request_route {
  if (!mf_process_maxfwd_header("10")) { sl_send_reply("483", "Too Many Hops"); exit; }
  if (!is_method("MESSAGE")) { sl_send_reply("405", "Method Not Allowed"); exit; }
  if ($cT != "application/scaip+xml") { sl_send_reply("415", "Unsupported Media Type"); exit; }
  if ($rU == "arc") {
    $sht(units=>$fU) = "sip:" + $si + ":" + $sp + ";transport=" + $proto;
    $du = "@primary@";
    t_on_failure("SECONDARY");
  } else {
    if ($sht(units=>$rU) == $null) { sl_send_reply("404", "Not Found"); exit; }
    $du = $sht(units=>$rU);
  }
  if (!t_relay()) { sl_reply_error(); }
}

failure_route[SECONDARY] {
  if (t_branch_timeout() || t_check_status("5[0-9][0-9]")) {
    $du = "@secondary@";
    t_relay();
  }
}
"""
KAMAILIO_TLS = """[server:default]
method = TLSv1.2+
certificate = @folder@/edge.crt
private_key = @folder@/edge.key
verify_certificate = no

[client:default]
method = TLSv1.2+
verify_certificate = yes
require_certificate = yes
ca_list = @folder@/@authorities@
"""


@asynccontextmanager
async def kamailio(
    folder: Path, port: int, tls: int, primary: str, secondary: str, authorities: str = "centre.crt"
) -> AsyncIterator[Program]:
    """Kamailio as TLS edge and proxy: UDP and TCP on one port, TLS on another; failover after one second."""
    certificate(folder, "edge")
    values = {
        "port": str(port), "tls": str(tls), "folder": str(folder), "patience": "1000",
        "primary": primary, "secondary": secondary, "authorities": authorities,
    }  # fmt: skip
    texts = {"kamailio.cfg": KAMAILIO, "tls.cfg": KAMAILIO_TLS}
    for name, text in texts.items():
        (folder / name).write_text(re.sub("@([a-z]+)@", lambda match: values[match[1]], text))
    argv = [find_program("kamailio"), "-f", str(folder / "kamailio.cfg"), "-DD", "-E", "-m", "32", "-M", "4"]
    async with running(folder / "kamailio.log", *argv, "-Y", str(folder), "-w", str(folder), cwd=folder) as program:
        try:
            await listens(tls)
            yield program
        finally:
            # Its main process ends its workers when it is asked to, but may wait for ever for a lock that one of them
            # held: what is left of the group after that is killed with it, and is no verdict on our messages.
            if program.process.returncode is None:
                program.process.terminate()
                with contextlib.suppress(TimeoutError):
                    await program.ended()
