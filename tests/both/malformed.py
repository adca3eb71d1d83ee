"""Frames and messages that must be refused, each with its reason, and alarms that lose a field but not the press.

tests/unit/wire/write_vectors.py adds a case that is new here to its file; no case is ever edited or removed.
"""

from binascii import unhexlify

TITLES = {
    "malformed_frames": "Frames that seal.parse refuses, with the reason",
    "malformed_messages": "Plaintexts that messages.decode refuses, with the reason",
    "dropped": "Alarms that pass without the fields listed in dropped (key numbers)",
}


def _frame(header, ciphertext="49" + "c0" * 9, protected="43a1010a"):
    return unhexlify("83" + protected + header + ciphertext)


KID = "04450000002a01"
GOOD = "a2" + KID + "064107"

FRAMES = {
    "empty": (b"", "truncated"),
    "cut": (_frame(GOOD)[:-1], "truncated"),
    "cut_in_the_header": (_frame(GOOD)[:9], "truncated"),
    "claims_four_gigabytes": (unhexlify("8343a1010a" + GOOD + "5affffffff"), "truncated"),
    "shorter_than_a_tag": (_frame(GOOD, "47" + "c0" * 7), "truncated"),
    "too_long": (_frame(GOOD, "590200" + "c0" * 512), "oversize"),
    "bytes_behind": (_frame(GOOD) + b"\0", "cbor"),
    "tagged": (b"\xd0" + _frame(GOOD), "not_cose"),
    "json": (b'{"alarm": 1}', "not_cose"),
    "long_form_length": (_frame(GOOD, "5809" + "c0" * 9), "cbor"),
    "indefinite": (unhexlify("9f43a1010a" + GOOD + "49" + "c0" * 9 + "ff"), "not_cose"),
    "header_unsorted": (_frame("a20641070445" + "0000002a01"), "cbor"),
    "header_twice": (_frame("a30445" + "0000002a01" + "04450000002a01" + "064107"), "cbor"),
    "plain_alarm": (unhexlify("a3001101010200"), "not_cose"),
    "two_parts": (unhexlify("8243a1010a" + GOOD), "not_cose"),
    "four_parts": (unhexlify("8443a1010a" + GOOD + "49" + "c0" * 9 + "80"), "not_cose"),
    "header_is_an_array": (_frame("80"), "not_cose"),
    "ciphertext_is_null": (_frame(GOOD, "f6"), "not_cose"),
    "protected_is_a_map": (_frame(GOOD, protected="a1010a"), "not_cose"),
    "other_algorithm": (_frame(GOOD, protected="43a10101"), "algorithm"),
    "empty_protected": (_frame(GOOD, protected="40"), "algorithm"),
    "algorithm_in_long_form": (_frame(GOOD, protected="44a101180a"), "algorithm"),
    "no_header": (_frame("a0"), "direction"),
    "kid_alone": (_frame("a1" + KID), "direction"),
    "partial_iv_alone": (_frame("a1064107"), "direction"),
    "both_directions": (_frame("a3" + KID + "054d" + "a0" * 13 + "064107"), "direction"),
    "context_down": (_frame("a2054d" + "a0" * 13 + "0a48" + "00" * 8), "direction"),
    "unknown_label": (_frame("a3" + KID + "0641070bf6"), "direction"),
    "kid_too_short": (_frame("a204440000002a064107"), "kid"),
    "kid_too_long": (_frame("a204460000002a0100064107"), "kid"),
    "kid_is_a_number": (_frame("a204182a064107"), "kid"),
    "unit_zero": (_frame("a204450000000001064107"), "kid"),
    "context_too_short": (_frame("a3" + KID + "0641070a47" + "00" * 7), "kid"),
    "context_is_null": (_frame("a3" + KID + "0641070af6"), "kid"),
    "counter_empty": (_frame("a2" + KID + "0640"), "counter"),
    "counter_padded": (_frame("a2" + KID + "06420007"), "counter"),
    "counter_two_zeros": (_frame("a2" + KID + "06420000"), "counter"),
    "counter_of_six_bytes": (_frame("a2" + KID + "0646010000000000"), "counter"),
    "counter_is_a_number": (_frame("a2" + KID + "0607"), "counter"),
    "iv_too_short": (_frame("a1054c" + "a0" * 12), "iv"),
    "iv_too_long": (_frame("a1054e" + "a0" * 14), "iv"),
    "iv_is_text": (_frame("a1056d" + "61" * 13), "iv"),
}

MESSAGES = {
    "empty": (b"", "cbor"),
    "cut": (unhexlify("a30011010102"), "cbor"),
    "bytes_behind": (unhexlify("a300110101020000"), "cbor"),
    "long_form": (unhexlify("a3001101180102" + "00"), "cbor"),
    "unsorted": (unhexlify("a3001102000101"), "cbor"),
    "text_keys": (unhexlify("a1646b696e6401"), "cbor"),
    "float": (unhexlify("a300110101" + "02f93c00"), "cbor"),
    "too_deep": (unhexlify("a400130101020003" + "818181818100"), "cbor"),
    "array": (unhexlify("83110100"), "not_a_map"),
    "number": (unhexlify("11"), "not_a_map"),
    "null": (unhexlify("f6"), "not_a_map"),
    "no_type": (unhexlify("a201010200"), "major"),
    "major_0": (unhexlify("a3000101010200"), "major"),
    "major_2": (unhexlify("a300182101010200"), "major"),
    "major_17": (unhexlify("a30019011101010200"), "major"),
    "type_is_text": (unhexlify("a300613101010200"), "major"),
    "type_is_true": (unhexlify("a300f501010200"), "major"),
    "type_is_negative": (unhexlify("a3003101010200"), "major"),
    "type_0": (unhexlify("a3001001010200"), "type"),
    "type_8": (unhexlify("a300181801010200"), "type"),
    "alarm_without_boot": (unhexlify("a200110200"), "required"),
    "alarm_without_seq": (unhexlify("a200110101"), "required"),
    "alarm_boot_is_text": (unhexlify("a30011016131" + "0200"), "field"),
    "alarm_boot_is_true": (unhexlify("a3001101f50200"), "field"),
    "alarm_seq_of_five_bytes": (unhexlify("a300110101021b0000000100000000"), "field"),
    "alarm_seq_is_negative": (unhexlify("a30011010102" + "20"), "field"),
    "heartbeat_without_next_due": (unhexlify("a3001201010200"), "required"),
    "heartbeat_battery_101": (unhexlify("a500120101020003" + "18" + "3c051865"), "field"),
    "heartbeat_signal_is_positive": (unhexlify("a500120101020003" + "00" + "0601"), "field"),
    "heartbeat_bearer_is_null": (unhexlify("a500120101020003" + "00" + "04f6"), "field"),
    "heartbeat_status_is_a_number": (unhexlify("a500120101020003" + "00" + "0d01"), "field"),
    "status_version_of_17": (unhexlify("a500120101020003" + "00" + "0da10171" + "61" * 17), "field"),
    "status_imei_of_7": (unhexlify("a500120101020003" + "00" + "0da11347" + "00" * 7), "field"),
    "event_data_is_text": (unhexlify("a500130101020003010761" + "61"), "field"),
    "receipt_without_items": (unhexlify("a20014041a713fb300"), "required"),
    "receipt_of_nine": (unhexlify("a2001403" + "89" + "83010101" * 9), "field"),
    "receipt_of_pairs": (unhexlify("a200140381820101"), "field"),
    "receipt_of_text": (unhexlify("a20014038183016131" + "01"), "field"),
    "receipt_seq_of_five_bytes": (unhexlify("a2001403818301" + "1b0000000100000000" + "01"), "field"),
    "receipt_stage_is_negative": (unhexlify("a20014038183010120"), "field"),
    "query_seq_is_true": (unhexlify("a2001703818201f5"), "field"),
    "command_without_kind": (unhexlify("a200150301"), "required"),
    "command_number_is_negative": (unhexlify("a3001503200401"), "field"),
    "answer_without_result": (unhexlify("a400160101020003" + "01"), "required"),
    "query_of_none": (unhexlify("a200170380"), "field"),
    "query_of_nine": (unhexlify("a200170389" + "820101" * 9), "field"),
    "query_of_triples": (unhexlify("a200170381" + "83010101"), "field"),
}

ALARM = "0011011102" + "03"

DROPPED = {
    "battery_101": (unhexlify("a4" + ALARM + "091865"), (9,)),
    "count_0": (unhexlify("a4" + ALARM + "0500"), (5,)),
    "age_negative": (unhexlify("a4" + ALARM + "0620"), (6,)),
    "kind_is_text": (unhexlify("a4" + ALARM + "036161"), (3,)),
    "clock_beyond_32_bits": (unhexlify("a4" + ALARM + "0c1b0000000100000000"), (12,)),
    "every_optional_field_is_null": (
        unhexlify("ac" + ALARM + "".join("%02xf6" % key for key in range(3, 13) if key != 8) + ""),
        (3, 4, 5, 6, 7, 9, 10, 11, 12),
    ),
    "bearer_is_a_map": (unhexlify("a5" + ALARM + "0301" + "08a10000"), (8,)),
    "flags_are_true": (unhexlify("a4" + ALARM + "0af5"), (10,)),
}
