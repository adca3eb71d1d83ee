"""What may be written to a modem, and how fields are read."""

from firmware.core import at_syntax
from firmware.core.at_syntax import AtError

INJECTIONS = (
    'a"', 'a",1,"b', "a\r", "a\nAT+CFUN=0", "a\x1a", "a\x1b", "a\x00", "\xe5", "a\\22", "\x7f", "a" * 101,
)  # fmt: skip


def refused(function, *arguments):
    try:
        function(*arguments)
    except AtError as error:
        return error.reason == "argument"
    return False


def test_quoted_text_lets_nothing_through():
    assert at_syntax.quoted("iot.1nce.net; AT+CFUN=0") == '"iot.1nce.net; AT+CFUN=0"'
    for text in INJECTIONS:
        assert refused(at_syntax.quoted, text), text


def test_hosts_are_names_or_addresses():
    for text in ("127.0.0.1", "a-b.example", "2001:db8::1"):
        assert at_syntax.host_name(text) == '"' + text + '"'
    for text in INJECTIONS + ("", "a b", "a,1", "a;b", "a/b", "h\xe5st"):
        assert refused(at_syntax.host_name, text), text


def test_telephone_numbers():
    assert at_syntax.telephone("+46701234567") == "+46701234567"
    for text in ("", "+", "12", "+46 70", "46+70123", "a" * 5, "1" * 21, '070"', "123\r"):
        assert refused(at_syntax.telephone, text), text


def test_numbers():
    assert at_syntax.number(7, 0, 7) == "7"
    for wrong in (8, -1, True, "7", None):
        assert refused(at_syntax.number, wrong, 0, 7), wrong


FIELDS = (
    ("+X: 1,2", [1, 2]),
    ('+X: 1,"a,b",,7', [1, "a,b", None, 7]),
    ('+X:"7"', ["7"]),
    ("+X: -5,eMTC,0a", [-5, "eMTC", "0a"]),
    ('+X: "unclosed,1', ['"unclosed,1']),
    ("+X: ", [None]),
    ("+X: 1234567890123456789012", ["1234567890123456789012"]),
    ("RDY", [None]),
)


def test_fields():
    for line, values in FIELDS:
        assert at_syntax.fields(line) == values, line


def test_typed_fields():
    values = at_syntax.fields('+X: 300,"0A1f",,-1,xyz,123456789')
    assert at_syntax.integer(values, 0) == 300
    assert at_syntax.integer(values, 0, 0, 255) is None
    assert at_syntax.integer(values, 1) is None
    assert at_syntax.integer(values, 2) is None
    assert at_syntax.integer(values, 3) == -1
    assert at_syntax.integer(values, 9) is None
    assert at_syntax.hexadecimal(values, 1) == 0x0A1F
    assert at_syntax.hexadecimal(values, 0) == 0x300
    assert at_syntax.hexadecimal(values, 4) is None
    assert at_syntax.hexadecimal(values, 5) is None
    assert at_syntax.hexadecimal(values, 9) is None
