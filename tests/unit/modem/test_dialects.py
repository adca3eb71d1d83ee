"""Every dialect, held against transcripts: what is written, what is read from the answers. On both engines.

Here on CPython; test_modem_on_micropython.py runs this file once more on MicroPython, from bytecode.
"""

from firmware.core.at import QUIET_MS
from firmware.core.at_network import Registration

# ruff: noqa: RUF005 - MicroPython has no [*a, b]
from firmware.core.at_syntax import AtError
from firmware.modem.bg95 import Bg95
from firmware.modem.dialect import TCP, UDP
from firmware.modem.engine import Engine
from firmware.modem.gm02s import Gm02s
from firmware.modem.sim7080g import Sim7080g

BG, SIM, GM = Bg95(), Sim7080g(), Gm02s()
ALL = (BG, SIM, GM)
PDU = "07916407058099F904" + "0B916407214365F7" + "0004" + "62112132021340" + "03001AFF"


def converse(dialect, procedure, script):
    """Run a procedure against a script: (what the modem is written, what it says then), ...; ("board", what, value)
    for what the board is asked to do, with what the modem says then. Gives (result, value) and the events."""
    engine = Engine(dialect)
    now = 0
    actions = list(engine.start(procedure, now))
    script = list(script)
    events = []
    while True:
        while actions:
            action = actions.pop(0)
            if action[0] in ("finished", "failed"):
                assert not script, script
                events += actions
                value = action[1]
                return action[0], (value.reason, value.detail) if isinstance(value, AtError) else value, events
            if action[0] == "write":
                expected, said = script.pop(0)
                wanted = expected if isinstance(expected, bytes) else expected.encode() + b"\r"
                assert action[1] == wanted, (action[1], wanted)
                actions += engine.feed(said if isinstance(said, bytes) else lines(said), now)
            elif action[0] == "board":
                expected, said = script.pop(0)
                assert action == ("board",) + expected, action
                actions += engine.carried_out(now)
                actions += engine.feed(lines(said), now)
            else:
                events.append(action)
        now = max(now, engine.next_wakeup())
        actions += engine.timeout(now)


def lines(said):
    return b"".join([b"\r\n" + line.encode() + b"\r\n" for line in said])


def value(dialect, procedure, script):
    """The value of a procedure that must succeed."""
    result, found, _ = converse(dialect, procedure, script)
    assert result == "finished", found
    return found


def failure(dialect, procedure, script):
    """(reason, detail) of a procedure that must fail."""
    result, found, _ = converse(dialect, procedure, script)
    assert result == "failed", found
    return found


OK = ["OK"]


def test_start():
    common = [("ATE0", b"ATE0\r\r\nOK\r\n"), ("AT+CMEE=1", OK), ("AT+CEREG=5", OK)]
    sms = [("AT+CMGF=0", ["+CMS ERROR: 310"]), ("AT+CNMI=2,1", ["+CMS ERROR: 310"])]
    value(BG, BG.start(), common + [("AT+CTZU=1", OK)] + sms)
    value(SIM, SIM.start(), common + [("AT+CLTS=1", OK), ("AT+CBATCHK=1", ["ERROR"])] + sms)
    value(GM, GM.start(), common + [("AT+CTZU=1", OK)] + sms)


def test_identify():
    for dialect, iccid, card in (
        (BG, "AT+QCCID", "+QCCID: 8946001201234567890F"),
        (SIM, "AT+CCID", "8946001201234567890"),
        (GM, "AT+SQNCCID", '+SQNCCID: "8946001201234567890",""'),
    ):
        script = [
            ("AT+CGSN", ["860123456789012", "OK"]),
            ("AT+CIMI", ["+CEREG: 2", "240016123456789", "OK"]),
            (iccid, [card, "OK"]),
            ("AT+CGMR", ["Revision:1951B05SIM7080", "OK"]),
        ]
        assert value(dialect, dialect.identify(), script) == {
            "imei": "860123456789012",
            "imsi": "240016123456789",
            "iccid": "8946001201234567890",
            "revision": "Revision:1951B05SIM7080",
        }, dialect.name
    script = [
        ("AT+CGSN", ["86012345678901", "OK"]),
        ("AT+CIMI", ["+CME ERROR: 10"]),
        ("AT+QCCID", ["+CME ERROR: 10"]),
        ("AT+CGMR", ["ERROR"]),
    ]
    assert value(BG, BG.identify(), script) == {"imei": None, "imsi": None, "iccid": None, "revision": None}


def test_registration():
    said = ['+CEREG: 3,"0001","00000001",7', '+CEREG: 5,5,"E485","093F9E11",7,,,"00000011","00100010"', "OK"]
    for dialect in ALL:
        result, found, events = converse(dialect, dialect.registration(), [("AT+CEREG?", said)])
        assert result == "finished"
        assert (found.stat, found.cell, found.active, found.tau) == (5, 0x093F9E11, 6, 7200)
        assert len(events) == 1 and events[0][1][0] == "registration" and events[0][1][1].stat == 3
        assert failure(dialect, dialect.registration(), [("AT+CEREG?", OK)]) == ("answer", None)
        assert failure(dialect, dialect.registration(), [("AT+CEREG?", ["+CME ERROR: 14"])]) == ("cme", 14)


def test_signal():
    cesq = [("AT+CESQ", ["+CESQ: 99,99,255,255,20,40", "OK"]), ("AT+CSQ", ["+CSQ: 17,99", "OK"])]
    for dialect in (SIM, GM):
        assert value(dialect, dialect.signal(), cesq) == {"rsrp": -101, "rsrq": -100, "rssi": -79}
    said = ['+QCSQ: "eMTC",-52,-81,195,-10', "OK"]
    assert value(BG, BG.signal(), [("AT+QCSQ", said)]) == {"rssi": -52, "rsrp": -81, "rsrq": -100}
    assert value(BG, BG.signal(), [("AT+QCSQ", ['+QCSQ: "NOSERVICE"', "OK"])]) == {}


def test_serving_cell():
    said = '+QENG: "servingcell","NOCONN","eMTC","FDD",240,01,93F9E11,330,6300,20,3,3,E485,-87,-12,-60,15,20'
    assert value(BG, BG.serving_cell(), [('AT+QENG="servingcell"', [said, "OK"])]) == {
        "radio": 4, "operator": 24001, "cell": 0x93F9E11, "earfcn": 6300, "area": 0xE485, "rsrp": -87,
    }  # fmt: skip
    assert value(BG, BG.serving_cell(), [('AT+QENG="servingcell"', ['+QENG: "servingcell","SEARCH"', "OK"])]) == {}
    said = "+CPSI: LTE CAT-M1,Online,240-07,0xE485,154083857,330,EUTRAN-BAND20,6300,3,3,-12,-87,-60,15"
    assert value(SIM, SIM.serving_cell(), [("AT+CPSI?", [said, "OK"])]) == {
        "radio": 4, "operator": 24007, "area": 0xE485, "cell": 154083857, "earfcn": 6300, "rsrp": -87,
    }  # fmt: skip
    assert value(SIM, SIM.serving_cell(), [("AT+CPSI?", ["+CPSI: NO SERVICE,Online", "OK"])]) == {}
    said = "+SQNMONI: Telia Cc:240 Nc:01 RSRP:-87.00 CINR:5.00 TAC:58501 Id:330 EARFCN:6300"
    assert value(GM, GM.serving_cell(), [("AT+SQNMONI=7", [said, "OK"])]) == {
        "radio": 4, "operator": 24001, "area": 58501, "earfcn": 6300, "rsrp": -87,
    }  # fmt: skip
    assert value(GM, GM.serving_cell(), [("AT+SQNMONI=7", OK)]) == {}


def test_time_and_battery():
    for dialect in ALL:
        said = ['+CCLK: "26/11/21,23:20:31+04"', "OK"]
        assert value(dialect, dialect.network_time(), [("AT+CCLK?", said)]) == 1795299631
        assert value(dialect, dialect.network_time(), [("AT+CCLK?", ['+CCLK: "80/01/06,00:00:10"', "OK"])]) is None
        assert value(dialect, dialect.network_time(), [("AT+CCLK?", ["ERROR"])]) is None
    for dialect in (BG, SIM):
        assert value(dialect, dialect.battery(), [("AT+CBC", ["+CBC: 0,85,3912", "OK"])]) == 3912
    assert value(GM, GM.battery(), []) is None


def test_path_up():
    value(
        BG,
        BG.pdp_up("iot.example"),
        [("AT+QIACT?", OK), ('AT+QICSGP=1,1,"iot.example","","",0', OK), ("AT+QIACT=1", OK)],
    )
    value(BG, BG.pdp_up("iot.example"), [("AT+QIACT?", ['+QIACT: 1,1,1,"10.0.0.2"', "OK"])])
    assert failure(BG, BG.pdp_up(""), [("AT+QIACT?", OK), ('AT+QICSGP=1,1,"","","",0', OK), ("AT+QIACT=1", ["ERROR"])])
    before = [("AT+CNACT?", ['+CNACT: 0,0,"0.0.0.0"', '+CNACT: 1,0,"0.0.0.0"', "OK"]), ('AT+CNCFG=0,1,"iot"', OK)]
    for said in (["OK", "+APP PDP: 0,ACTIVE"], ["+APP PDP: 0,ACTIVE", "OK"]):
        value(SIM, SIM.pdp_up("iot"), before + [("AT+CNACT=0,1", said)])
    for said in (["OK", "+APP PDP: 0,DEACTIVE"], ["+APP PDP: 0,DEACTIVE", "OK"], ["OK"]):
        assert failure(SIM, SIM.pdp_up("iot"), before + [("AT+CNACT=0,1", said)]) == ("pdp", None)
    value(SIM, SIM.pdp_up("iot"), [("AT+CNACT?", ['+CNACT: 0,1,"10.0.0.2"', "OK"])])
    value(
        GM,
        GM.pdp_up("iot"),
        [
            ("AT+CGACT?", ["+CGACT: 1,0", "OK"]),
            ('AT+CGDCONT=1,"IP","iot"', OK),
            ("AT+CGATT=1", OK),
            ("AT+CGACT=1,1", OK),
        ],
    )
    value(GM, GM.pdp_up("iot"), [("AT+CGACT?", ["+CGACT: 1,1", "OK"])])


def test_path_down():
    value(BG, BG.pdp_down(), [("AT+QIDEACT=1", OK)])
    value(SIM, SIM.pdp_down(), [("AT+CNACT=0,0", OK)])
    value(GM, GM.pdp_down(), [("AT+CGACT=0,1", OK)])


SQN = [("AT+SQNSCFG=2,1,300,0,100,1", OK), ("AT+SQNSCFGEXT=2,1,0,0,0,0,0", OK)]
CA = [("AT+CACID=1", OK), ("AT+CASSLCFG=1,SSL,0", OK)]


def test_open():
    line = 'AT+QIOPEN=1,1,"UDP","127.0.0.1",5683,0,0'
    value(BG, BG.open(1, UDP, "127.0.0.1", 5683), [(line, ["OK", "+QIOPEN: 0,0", "+QIOPEN: 1,0"])])
    assert failure(BG, BG.open(1, UDP, "127.0.0.1", 5683), [(line, ["OK", "+QIOPEN: 1,566"])]) == ("open", 566)
    assert failure(BG, BG.open(1, UDP, "127.0.0.1", 5683), [(line, OK)]) == ("open", -1)
    script = [(line, ["OK", "+QIOPEN: 1,563"]), ("AT+QICLOSE=1", OK), (line, ["OK", "+QIOPEN: 1,0"])]
    value(BG, BG.open(1, UDP, "127.0.0.1", 5683), script)
    value(BG, BG.open(0, TCP, "a.b", 1), [('AT+QIOPEN=1,0,"TCP","a.b",1,0,0', ["OK", "+QIOPEN: 0,0"])])
    line = 'AT+CAOPEN=1,0,"UDP","127.0.0.1",5683'
    for said in (["+CAOPEN: 1,0", "OK"], ["OK", "+CAOPEN: 1,0"]):
        value(SIM, SIM.open(1, UDP, "127.0.0.1", 5683), CA + [(line, said)])
    assert failure(SIM, SIM.open(1, UDP, "127.0.0.1", 5683), CA + [(line, ["+CAOPEN: 1,27", "OK"])]) == ("open", 27)
    line = 'AT+SQNSD=2,1,5683,"127.0.0.1",0,0,1,0,0'
    value(GM, GM.open(1, UDP, "127.0.0.1", 5683), SQN + [(line, OK)])
    assert failure(GM, GM.open(1, UDP, "127.0.0.1", 5683), SQN + [(line, ["+CME ERROR: 4"])]) == ("open", 4)


def test_send():
    data = b"\r\nOK\r\n\x1a\x00"
    for dialect, line, said in (
        (BG, "AT+QISEND=1,8", ["SEND OK"]),
        (SIM, "AT+CASEND=1,8", ["OK"]),
        (GM, "AT+SQNSSENDEXT=2,8,0", ["OK"]),
    ):
        value(dialect, dialect.send(1, data), [(line, b"\r\n> "), (data, said)])
        assert failure(dialect, dialect.send(1, data), [(line, ["ERROR"])]) == ("error", None)
    assert failure(BG, BG.send(1, data), [("AT+QISEND=1,8", b"\r\n> "), (data, ["SEND FAIL"])]) == ("error", None)


def test_receive():
    data = b"\r\nOK\r\n\x1a\x00"
    for dialect, line, said in (
        (BG, "AT+QIRD=1,512", b"\r\n+QIRD: 8\r\n" + data + b"\r\n\r\nOK\r\n"),
        (SIM, "AT+CARECV=1,512", b"\r\n+CARECV: 8," + data + b"\r\n\r\nOK\r\n"),
        (GM, "AT+SQNSRECV=2,512", b"\r\n+SQNSRECV: 2,8\r\n" + data + b"\r\nOK\r\n"),
    ):
        assert value(dialect, dialect.receive(1), [(line, said)]) == data
    assert value(BG, BG.receive(1), [("AT+QIRD=1,512", ["+QIRD: 0", "OK"])]) == b""
    assert value(SIM, SIM.receive(1), [("AT+CARECV=1,512", ["+CARECV: 0", "OK"])]) == b""
    assert value(GM, GM.receive(1), [("AT+SQNSRECV=2,512", ["+CME ERROR: 4"])]) == b""
    assert failure(BG, BG.receive(1), [("AT+QIRD=1,512", ["ERROR"])]) == ("error", None)


def test_close():
    for dialect, line in ((BG, "AT+QICLOSE=3"), (SIM, "AT+CACLOSE=3"), (GM, "AT+SQNSH=4")):
        value(dialect, dialect.close(3), [(line, ["ERROR"])])


def test_sms():
    for dialect in ALL:
        pdu = b"0011000B916407214365F700040003001AFF\x1a"
        script = [("AT+CMGS=17", b"\r\n> "), (pdu, ["+CMGS: 7", "OK"])]
        value(dialect, dialect.sms_send("+46701234567", b"\x00\x1a\xff"), script)
        said = ["+CMGL: 3,1,,28", PDU, "+CMGL: 5,0,,28", PDU, "OK"]
        assert value(dialect, dialect.sms_list(), [("AT+CMGL=4", said)]) == [3, 5]
        assert value(dialect, dialect.sms_list(), [("AT+CMGL=4", OK)]) == []
        found = value(dialect, dialect.sms_read(3), [("AT+CMGR=3", ["+CMGR: 0,,28", PDU, "OK"])])
        assert found.payload == b"\x00\x1a\xff" and found.sender == "+46701234567"
        assert failure(dialect, dialect.sms_read(3), [("AT+CMGR=3", OK)]) == ("pdu", None)
        assert failure(dialect, dialect.sms_read(3), [("AT+CMGR=3", ["+CMS ERROR: 321"])]) == ("cms", 321)
        value(dialect, dialect.sms_delete(3), [("AT+CMGD=3", OK)])


def test_sim_and_power():
    cycle = [("AT+CFUN=0", OK), ("AT+CFUN=1", ["+CPIN: READY", "OK"])]
    value(BG, BG.select_sim(1), [("AT+QDSIM=1", OK)] + cycle)
    for dialect in (SIM, GM):
        value(dialect, dialect.select_sim(1), [cycle[0], (("sim", 1), []), cycle[1]])
    silent = (("line", 0), [])
    value(BG, BG.power_on(), [(("power", 1), []), silent, (("power_key", 700), ["RDY", "APP RDY"])])
    value(SIM, SIM.power_on(), [(("power", 1), []), silent, (("power_key", 1200), ["RDY"])])
    value(GM, GM.power_on(), [(("power", 1), ["+SYSSTART"])])
    value(GM, GM.power_on(), [(("power", 1), [])])
    value(BG, BG.power_cut(), [(("power", 0), []), (("power", 1), []), (("power_key", 700), ["RDY"])])
    value(BG, BG.power_off(), [("AT+QPOWD=1", ["OK", "POWERED DOWN"]), (("power", 0), [])])


def test_the_key_of_a_modem_that_is_awake_is_not_touched():
    """It would switch it off."""
    here = (("line", 0), ["AT+CMEE?", "+CMEE: 1", "OK"])
    for dialect in ALL:
        value(dialect, dialect.wake(), [here, here])
    for dialect in (BG, SIM):
        value(dialect, dialect.power_on(), [(("power", 1), []), here, here])
        for last in ([], [here]):
            silent = [(("line", 0), []), (("power_key", dialect.key_on_ms), ["RDY"])]
            value(dialect, dialect.wake(), last + silent)


def test_the_ok_behind_the_answer_is_nobody_elses():
    engine = Engine(BG)
    engine.start(BG.wake(), 0)
    for asked in (0, 300):
        engine.carried_out(asked)
        assert engine.feed(lines(["+CMEE: 1"]), asked + 5) == []
        assert engine.next_wakeup() == asked + 5 + QUIET_MS, "what follows waits for it"
        assert engine.feed(lines(["OK"]), asked + 100) == []
        told = engine.timeout(asked + 5 + QUIET_MS)
    assert told == [("finished", None)] and engine.at.ready


def test_psm():
    for dialect in ALL:
        asked = [('AT+CPSMS=1,,,"00001100","00000011"', OK)]
        edrx = 'AT+SQNEDRX=1,4,"0000"' if dialect is GM else 'AT+CEDRXS=1,4,"0000"'
        for answer in (OK, ["ERROR"]):
            value(dialect, dialect.save_power(7200, 6), asked + [(edrx, answer)])
    value(GM, GM.save_power(None), [("AT+CPSMS=0", OK), ("AT+SQNEDRX=0", OK)])
    value(BG, BG.save_power(None), [("AT+CPSMS=0", OK), ("AT+CEDRXS=0", ["ERROR"])])


def test_position():
    fix = "+QGPSLOC: 123519.000,55.70581,-13.19321,0.8,35.0,3,000.00,0.0,0.0,211126,07"
    wanted = {"latitude": 557058100, "longitude": -131932100, "satellites": 7, "dilution": 8}
    assert value(BG, BG.gnss_fix(), [("AT+QGPSLOC=2", [fix, "OK"])]) == wanted
    assert value(BG, BG.gnss_fix(), [("AT+QGPSLOC=2", ["+CME ERROR: 516"])]) is None
    fix = "+CGNSINF: 1,1,20261121232031.000,55.705810,-13.193210,35.0,0.0,0.0,1,,0.8,1.1,0.8,,07,9"
    assert value(SIM, SIM.gnss_fix(), [("AT+CGNSINF", [fix, "OK"])]) == wanted
    # A stale position beside an empty fix flag is none.
    stale = fix.replace("1,1,", "1,,")
    assert value(SIM, SIM.gnss_fix(), [("AT+CGNSINF", [stale, "OK"])]) is None
    gm = Gm02s()
    assert value(gm, gm.gnss_fix(), []) is None
    ready = '+LPGNSSFIXREADY: 0,"2026-11-21T22:20:31.000000",20,"42.0","59.332580","18.064900","20.0"'
    assert gm.event(ready) is None
    assert value(gm, gm.gnss_fix(), []) == {"latitude": 593325800, "longitude": 180649000}
    assert value(gm, gm.gnss_fix(), []) is None, "a position is told once"
    for wrong in ("+LPGNSSFIXREADY: 0", '+LPGNSSFIXREADY: 0,"x",1,"2","north","18.0","1"'):
        gm.event(wrong)
        assert value(gm, gm.gnss_fix(), []) is None


def test_nothing_smuggles_a_command_in():
    for dialect in ALL:
        for procedure in (
            lambda dialect=dialect: dialect.pdp_up('a"\rAT+CFUN=0'),
            lambda dialect=dialect: dialect.open(0, UDP, "a\r\n", 1),
            lambda dialect=dialect: dialect.open(0, UDP, "a", 0),
            lambda dialect=dialect: dialect.open(4, UDP, "a", 1),
            lambda dialect=dialect: dialect.send(0, b""),
            lambda dialect=dialect: dialect.send(0, bytes(1401)),
            lambda dialect=dialect: dialect.sms_send("+46\r", b"x"),
            lambda dialect=dialect: dialect.sms_send("+4670123", bytes(141)),
            lambda dialect=dialect: dialect.sms_read(256),
        ):
            assert failure(dialect, procedure(), []) == ("argument", None)


EVENTS = (
    (BG, '+QIURC: "recv",1', ("data", 1)),
    (BG, '+QIURC: "closed",0', ("closed", 0)),
    (BG, '+QIURC: "pdpdeact",1', ("pdp", False)),
    (BG, "POWERED DOWN", ("supply", "POWERED DOWN")),
    (BG, "APP RDY", None),
    (SIM, "+CADATAIND: 1", ("data", 1)),
    (SIM, "+CASTATE: 1,0", ("closed", 1)),
    (SIM, "+CASTATE: 1,1", None),
    (SIM, "+APP PDP: 0,DEACTIVE", ("pdp", False)),
    (SIM, "*PSUTTZ: 2026,11,21", None),
    (SIM, "UNDER-VOLTAGE WARNNING", ("supply", "UNDER-VOLTAGE WARNNING")),
    (GM, "+SQNSRING: 2,12", ("data", 1)),
    (GM, "+SQNSH: 1", ("closed", 0)),
    (GM, "+CGEV: NW PDN DEACT 1", ("pdp", False)),
    (GM, "+CGEV: ME PDN ACT 1", None),
) + tuple([(dialect, '+CMTI: "SM",3', ("sms", 3)) for dialect in ALL])


def test_events():
    for dialect, line, expected in EVENTS:
        assert dialect.event(line) == expected, line
        told = Engine(dialect).feed(lines([line]), 0)
        assert told == ([("event", expected)] if expected else []), line
        assert line.split(":")[0] in dialect.heads, line
    for dialect in ALL:
        event = dialect.event("+CEREG: 3,,,,0,15")
        assert event[0] == "registration" and isinstance(event[1], Registration) and event[1].cause == 15


def test_events_that_cannot_be_read_are_counted():
    for dialect, line in ((BG, '+QIURC: "recv",9'), (SIM, "+CADATAIND: x"), (GM, "+SQNSRING: 0"), (BG, "+CEREG: x")):
        engine = Engine(dialect)
        assert engine.feed(lines([line]), 0) == []
        assert engine.at.dropped["unknown"] == 1


def test_a_restart_ends_a_procedure():
    result, found, events = converse(BG, BG.pdp_up(""), [("AT+QIACT?", ["RDY"])])
    assert (result, found) == ("failed", ("reset", None)) and events == [("boot",)]


def test_a_modem_that_hangs_ends_a_procedure():
    engine = Engine(BG)
    engine.start(BG.start(), 0)
    told = []
    while engine.next_wakeup() is not None:
        told += engine.timeout(engine.next_wakeup())
    assert [action[0] for action in told if action[0] != "write"] == ["failed", "hung"]
    assert told[0][1].reason == "timeout"


def test_a_command_waits_until_the_channel_is_in_step():
    engine = Engine(BG)
    engine.start(BG.close(0), 0)
    assert engine.timeout(10000)[0] == ("finished", None)
    assert engine.start(BG.close(1), 10000) == []
    assert engine.timeout(10200) == [("write", b"AT+CMEE?\r")]
    assert engine.feed(b"\r\n+CMEE: 1\r\n\r\nOK\r\n", 10300) == []
    assert engine.timeout(10500) == [("free",), ("write", b"AT+QICLOSE=1\r")]
    assert engine.feed(b"\r\nOK\r\n", 10600) == [("finished", None)]


def test_the_answer_to_a_procedure_that_was_given_up_is_nobodys():
    engine = Engine(BG)
    engine.start(BG.registration(), 0)
    engine.abandon()
    assert engine.start(BG.battery(), 10) == []
    assert engine.feed(b"\r\n+CEREG: 5,1\r\n\r\nOK\r\n", 20) == [("free",), ("write", b"AT+CBC\r")]
    assert engine.feed(b"\r\n+CBC: 0,85,3912\r\n\r\nOK\r\n", 30) == [("finished", 3912)]
