"""What an alarm centre says by SCAIP when a person there has taken an alarm, said by SIPp."""

from __future__ import annotations

from pathlib import Path

from tests.ports import free_port
from tests.sip_programs import sipp

REPORT = """  <send retrans="500">
<![CDATA[
MESSAGE sip:@user@@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch];rport
From: <sip:arc@[local_ip]:[local_port]>;tag=[call_number]
To: <sip:@user@@[remote_ip]:[remote_port]>
Call-ID: [call_id]
CSeq: @number@ MESSAGE
@authentication@Max-Forwards: 70
Content-Type: application/scaip+xml
Content-Length: [len]

@body@
]]>
  </send>
"""


def scenario(centre: str, body: str, password: str, *, status: int = 200) -> str:
    """A report, the challenge, the report again with a password, and its SIP response."""
    shown = f"[authentication username={centre} password={password}]\n"
    asks = REPORT.replace("@number@", "1").replace("@authentication@", "")
    again = REPORT.replace("@number@", "2").replace("@authentication@", shown)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<scenario name="taken">\n'
        + asks.replace("@body@", body)
        + '  <recv response="401" auth="true"/>\n'
        + again.replace("@body@", body)
        + f'  <recv response="{status}" timeout="10000"/>\n</scenario>\n'
    )


def information(ref: str, *, stc: int = 5, ite: str = "7", mty: str = "IN") -> str:
    return f"<mrq><ref>{ref}</ref><mty>{mty}</mty><cid>1</cid><dty>45</dty><stc>{stc}</stc><ite>{ite}</ite></mrq>"


def further_reply(ref: str, ste: str = "taken by Anna") -> str:
    return f"<mrs><ref>{ref}</ref><snu>0</snu><ste>{ste}</ste></mrs>"


async def report(
    folder: Path,
    to: tuple[str, int],
    centre: str,
    body: str,
    password: str,
    *,
    status: int = 200,
    name: str = "c",
    way: str = "udp",
    user: str = "taken",
) -> int:
    """What SIPp ends with: 0 where it met what its scenario expects. It speaks UDP and TCP, and no TLS.

    ``user`` is whom it asks for, since a proxy may look at that."""
    written = scenario(centre, body, password, status=status).replace("@user@", user)
    kind = {"udp": "u1", "tcp": "t1"}[way]
    async with sipp(folder, name, written, free_port(), f"{to[0]}:{to[1]}", transport=kind) as program:
        return await program.ended()
