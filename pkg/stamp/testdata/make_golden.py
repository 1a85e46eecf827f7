#!/usr/bin/python3
"""Makes golden.json with scapy's STAMP layers: ./make_golden.py > golden.json; see README.md."""

import hashlib
import hmac
import ipaddress
import json
import random
from fractions import Fraction

from scapy.contrib.stamp import (
    ErrorEstimate,
    STAMPSessionReflectorTestUnauthenticated,
    STAMPSessionSenderTestUnauthenticated,
    STAMPTestTLV,
)
from scapy.fields import (
    BitField,
    ByteField,
    IntField,
    LongField,
    MultipleTypeField,
    NBytesField,
    PacketField,
    ShortField,
    UTCTimeField,
    XStrFixedLenField,
)
from scapy.layers.ntp import TimeStampField
from scapy.packet import Packet, raw

KEY = b"a key for golden packets"
NTP_EPOCH = 2208988800  # seconds from 1900 to 1970
TAI = 37
NOW = 1795375380625056238
ERA1 = 2085978496 * 10**9  # 2036-02-07T06:28:16Z in ns: second 0 of NTP era 1


# Timestamps and error estimates.

def timestamp_field(name, estimate):
    """The field as scapy's own STAMP layers have it."""
    return MultipleTypeField(
        [(TimeStampField(name, 0), lambda p: getattr(p, estimate).Z == 0)],
        UTCTimeField(name, 0, fmt="Q"))


class Time:
    """A time in Unix nanoseconds in one of the two formats."""

    def __init__(self, unix, ptp=False, tai=0):
        self.unix, self.tai = unix, tai
        seconds, nanos = divmod(unix, 10**9)
        if ptp:
            self.raw = ((seconds + tai) % 2**32) << 32 | nanos
            self.scapy = self.raw
        else:
            fraction = round(Fraction(nanos * 2**32, 10**9))
            seconds = (seconds + NTP_EPOCH) % 2**32
            self.raw = seconds << 32 | fraction
            self.scapy = seconds + Fraction(fraction, 2**32)

    def json(self):
        return {"raw": self.raw, "unix": self.unix, "tai": self.tai}


class Estimate:
    def __init__(self, s=1, z=0, scale=10, multiplier=200):
        self.fields = {"s": s, "z": z, "scale": scale, "multiplier": multiplier}
        self.raw = s << 15 | z << 14 | scale << 8 | multiplier
        self.scapy = ErrorEstimate(S=s, Z=z, scale=scale, multiplier=multiplier)

    def json(self):
        return {"raw": self.raw, **self.fields}


NTP_E, PTP_E = Estimate(), Estimate(s=0, z=1, scale=21, multiplier=255)


# Base packets. scapy 2.5 has none for authenticated mode, so their fields are listed here.

class AuthenticatedSender(Packet):
    fields_desc = [
        IntField("seq", 0),
        NBytesField("mbz1", 0, 12),
        timestamp_field("ts", "err_estimate"),
        PacketField("err_estimate", ErrorEstimate(), ErrorEstimate),
        ShortField("ssid", 0),
        NBytesField("mbz2", 0, 68),
    ]


class AuthenticatedReflector(Packet):
    fields_desc = [
        IntField("seq", 0),
        NBytesField("mbz1", 0, 12),
        timestamp_field("ts", "err_estimate"),
        PacketField("err_estimate", ErrorEstimate(), ErrorEstimate),
        ShortField("ssid", 0),
        NBytesField("mbz2", 0, 4),
        timestamp_field("ts_rx", "err_estimate"),
        NBytesField("mbz3", 0, 8),
        IntField("seq_sender", 0),
        NBytesField("mbz4", 0, 12),
        timestamp_field("ts_sender", "err_estimate_sender"),
        PacketField("err_estimate_sender", ErrorEstimate(), ErrorEstimate),
        NBytesField("mbz5", 0, 6),
        ByteField("ttl_sender", 0),
        NBytesField("mbz6", 0, 15),
    ]


def digest(b):
    return hmac.new(KEY, b, hashlib.sha256).digest()[:16]


def build(kind, estimates, fields, auth):
    """The estimates first: scapy picks a timestamp's field by the Z that is set by then."""
    packet = kind(**estimates)
    for name, value in fields.items():
        setattr(packet, name, value)
    b = raw(packet)
    return b + digest(b) if auth else b


def sender(p, auth):
    kind = AuthenticatedSender if auth else STAMPSessionSenderTestUnauthenticated
    fields = {"seq": p["seq"], "ts": p["t1"].scapy, "ssid": p["ssid"]}
    return build(kind, {"err_estimate": p["e"].scapy}, fields, auth)


def reflector(p, q, auth):
    kind = AuthenticatedReflector if auth else STAMPSessionReflectorTestUnauthenticated
    estimates = {"err_estimate": q["e"].scapy, "err_estimate_sender": p["e"].scapy}
    fields = {"seq": q["seq"], "ts": q["t3"].scapy, "ssid": p["ssid"], "ts_rx": q["t2"].scapy,
              "seq_sender": p["seq"], "ts_sender": p["t1"].scapy, "ttl_sender": q["ttl"]}
    return build(kind, estimates, fields, auth)


# TLVs.

class CoS(Packet):
    fields_desc = [BitField("dscp1", 0, 6), BitField("dscp2", 0, 6), BitField("ecn", 0, 2),
                   BitField("rp", 0, 2), ShortField("reserved", 0)]


class Direct(Packet):
    fields_desc = [IntField("s_txc", 0), IntField("r_rxc", 0), IntField("r_txc", 0)]


class FollowUp(Packet):
    fields_desc = [IntField("seq", 0), LongField("ts", 0), ByteField("mode", 0),
                   NBytesField("reserved", 0, 3)]


class AccessReport(Packet):
    fields_desc = [BitField("id", 0, 4), BitField("resv", 0, 4), ByteField("code", 0),
                   ShortField("reserved", 0)]


class Ports(Packet):
    fields_desc = [ShortField("dport", 0), ShortField("sport", 0)]


class Octets16(Packet):
    fields_desc = [XStrFixedLenField("b", b"", 16)]


def tlv(kind, value, flags=0x80):
    return raw(STAMPTestTLV(flags=flags, type=kind, len=len(value), value=bytes(value)))


def strings(*texts):
    return b"".join(len(t.encode()).to_bytes(2, "big") + t.encode() for t in texts)


def ip(text):
    return raw(Octets16(b=ipaddress.ip_address(text).packed.ljust(16, b"\0")))


def hmac_tlv(seq, before, flags=0x80):
    return tlv(8, digest(seq.to_bytes(4, "big") + before), flags)


def fill(b, size):
    """An Extra Padding TLV of pseudorandom octets that brings a packet of len(b) to size."""
    return tlv(1, random.Random(size).randbytes(size - len(b) - 4))


PADDING = random.Random(1).randbytes(27)
LOCATION = raw(Ports()) + tlv(1, bytes(8)) + tlv(4, bytes(16)) + tlv(7, bytes(16)) + tlv(99, b"new")
IDENTITY = strings("node-a", "isp:local", "city:Zürich", "")
REQUEST = {
    "location": tlv(2, LOCATION),
    "timestamps": tlv(3, bytes(4)),
    "cos": tlv(4, raw(CoS(dscp1=46))),
    "direct": tlv(5, raw(Direct(s_txc=2**32 - 1))),
    "access": tlv(6, raw(AccessReport(id=2, code=1))),
    "follow-up": tlv(7, raw(FollowUp())),
    "return path": tlv(10, tlv(1, (0).to_bytes(4, "big"))),
    "identity": tlv(244, IDENTITY),
}
ALL = b"".join(REQUEST.values())
# What the reflector adds, in the names of the Go fields, and the TLVs that it makes of REQUEST.
FOLLOW_UP_T3 = Time(NOW - 10**9).raw
ANSWERS = {
    "Location": {"DestinationPort": 862, "SourcePort": 40000, "Destination": "192.0.2.1",
                 "Source": "2001:db8::5"},
    "TimestampInformation": {"SyncIn": 1, "MethodIn": 2, "SyncOut": 5, "MethodOut": 3},
    "ClassOfService": {"DSCP2": 34, "ECN": 3, "RP": 1},
    "DirectMeasurement": {"ReflectorRx": 70000, "ReflectorTx": 69999},
    "FollowUpTelemetry": {"Seq": 8, "T3": FOLLOW_UP_T3, "Method": 2},
}
ANSWERED = {
    "location": tlv(2, raw(Ports(dport=862, sport=40000)) + tlv(3, bytes(8), 0)
                    + tlv(5, ip("192.0.2.1"), 0) + tlv(9, ip("2001:db8::5"), 0)
                    + tlv(99, b"new"), 0),
    "timestamps": tlv(3, bytes([1, 2, 5, 3]), 0),
    "cos": tlv(4, raw(CoS(dscp1=46, dscp2=34, ecn=3, rp=1)), 0),
    "direct": tlv(5, raw(Direct(s_txc=2**32 - 1, r_rxc=70000, r_txc=69999)), 0),
    "access": tlv(6, raw(AccessReport(id=2, code=1)), 0),
    "follow-up": tlv(7, raw(FollowUp(seq=8, ts=FOLLOW_UP_T3, mode=2)), 0),
    "return path": tlv(10, tlv(1, (0).to_bytes(4, "big")), 0),
    "identity": tlv(244, IDENTITY, 0),
}
ALL_ANSWERED = b"".join(ANSWERED.values())


def flagged(b, flags):
    """A single TLV with other flags."""
    return bytes([flags]) + b[1:]


# Vectors.

vectors, reflections = [], []


def sent(seq=7, t1=None, e=NTP_E, ssid=0):
    return {"seq": seq, "t1": t1 or Time(NOW), "e": e, "ssid": ssid}


def replied(seq=9, t2=None, t3=None, e=NTP_E, ttl=250):
    return {"seq": seq, "t2": t2 or Time(NOW + 31000), "t3": t3 or Time(NOW + 62001), "e": e,
            "ttl": ttl}


def sender_json(p):
    return {"seq": p["seq"], "t1": p["t1"].json(), "e": p["e"].json(), "ssid": p["ssid"]}


def reflector_json(p, q):
    return {"seq": q["seq"], "t2": q["t2"].json(), "t3": q["t3"].json(), "e": q["e"].json(),
            "ttl": q["ttl"], "sender": sender_json(p)}


def vector(name, p, q=None, auth=False, tlvs=b"", packet=None, error=""):
    """A session-sender packet, or with q a session-reflector packet; packet: cut or spoilt."""
    b = (reflector(p, q, auth) if q else sender(p, auth)) + tlvs
    v = {"name": name, "authenticated": auth, "hex": (packet(b) if packet else b).hex(),
         "tlvs": tlvs.hex(), "error": error}
    v.update({"reflector": reflector_json(p, q)} if q else {"sender": sender_json(p)})
    vectors.append(v)


def reflection(name, tlvs, want, mode="", answers=ANSWERS, error="", packet=None, p=None, **more):
    """A request and the reply that it must get. mode: "", "keyed" or "authenticated"."""
    p, q, auth = p or sent(ssid=77), replied(), mode == "authenticated"
    b = sender(p, auth) + tlvs
    reflections.append({
        "name": name, "mode": mode,
        "request": (packet(b) if packet else b).hex(),
        "reflection": {"Seq": q["seq"], "T2": q["t2"].raw, "ErrorEstimate": q["e"].raw,
                       "TTL": q["ttl"], **answers},
        "t3": q["t3"].raw, "reply": (reflector(p, q, auth) + want).hex(), "error": error, **more})


def spoil(at):
    return lambda b: b[:at] + bytes([b[at] ^ 1]) + b[at + 1:]


vector("44 octets", sent(seq=0))
vector("44 octets, PTP in TAI, SSID", sent(t1=Time(NOW, True, TAI), e=PTP_E, ssid=65535))
vector("44 octets, PTP in UTC", sent(t1=Time(NOW, True), e=PTP_E))
vector("last sequence number", sent(seq=2**32 - 1))
vector("last moment of NTP era 0", sent(t1=Time(ERA1 - 1)))
vector("first moment of NTP era 1", sent(t1=Time(ERA1)))
vector("NTP era 1", sent(t1=Time(ERA1 + 400 * 86400 * 10**9 + 999999999)))
vector("60 octets", sent(), tlvs=fill(bytes(44), 60))
vector("112 octets", sent(), tlvs=fill(bytes(44), 112))
vector("1472 octets", sent(ssid=77), tlvs=ALL + fill(bytes(44) + ALL, 1472))
vector("112 octets, authenticated", sent(ssid=77), auth=True)
vector("112 octets, authenticated, PTP", sent(t1=Time(NOW, True, TAI), e=PTP_E), auth=True)
vector("1472 octets, authenticated", sent(ssid=77), auth=True,
       tlvs=ALL + hmac_tlv(7, ALL) + fill(bytes(132) + ALL, 1472))
vector("13 octets", sent(), packet=lambda b: b[:13], error="ErrShort")
vector("111 octets, authenticated", sent(), auth=True, packet=lambda b: b[:111], error="ErrShort")
vector("multiplier 0", sent(e=Estimate(multiplier=0)), error="ErrMultiplier")
vector("one bit wrong, authenticated", sent(), auth=True, packet=spoil(31), error="ErrHMAC")
vector("one bit of the HMAC wrong", sent(), auth=True, packet=spoil(111), error="ErrHMAC")

mixed1 = (sent(t1=Time(NOW, True, TAI), e=PTP_E), replied())
mixed2 = (sent(), replied(t2=Time(NOW + 31000, True), t3=Time(NOW + 62001, True), e=PTP_E))
vector("reply of 44 octets", sent(), replied())
vector("reply of 44 octets, PTP to NTP", *mixed1)
vector("reply of 44 octets, NTP to PTP", *mixed2)
vector("reply of 38 octets", sent(), replied(ttl=0), packet=lambda b: b[:38])
vector("reply of 41 octets", sent(), replied(), packet=lambda b: b[:41])
vector("reply of 60 octets", sent(), replied(seq=2**32 - 1), tlvs=fill(bytes(44), 60))
vector("reply of 1472 octets", sent(ssid=77), replied(),
       tlvs=ALL_ANSWERED + fill(bytes(44) + ALL_ANSWERED, 1472))
vector("reply of 112 octets, authenticated", sent(ssid=77), replied(), auth=True)
vector("reply of 112 octets, authenticated, PTP to NTP", *mixed1, auth=True)
vector("reply of 112 octets, authenticated, NTP to PTP", *mixed2, auth=True)
vector("reply of 37 octets", sent(), replied(), packet=lambda b: b[:37], error="ErrShort")
vector("reply, multiplier 0", sent(), replied(e=Estimate(multiplier=0)), error="ErrMultiplier")
vector("reply, one bit wrong, authenticated", sent(), replied(), auth=True, packet=spoil(95),
       error="ErrHMAC")

light = sent()
reflection("14 octets", b"", b"", p=light, packet=lambda b: b[:14])
reflection("41 octets", b"", b"", p=light, packet=lambda b: b[:14] + PADDING)
reflection("44 octets", b"", b"")
reflection("44 octets, authenticated", b"", b"", "authenticated")
reflection("padding of zeros", bytes(1428), bytes(1428))
reflection("one octet of padding", b"\0", b"\0")
reflection("padding of zeros, keyed", bytes(16), bytes(16), "keyed")
reflection("Extra Padding", fill(bytes(44), 60), flagged(fill(bytes(44), 60), 0))
reflection("all TLVs", ALL, ALL_ANSWERED, no_reply=True, identity=IDENTITY.hex())
tail = fill(bytes(132) + ALL, 1472)
reflection("all TLVs, authenticated, 1472 octets", ALL + hmac_tlv(7, ALL) + tail,
           ALL_ANSWERED + hmac_tlv(9, ALL_ANSWERED, 0) + flagged(tail, 0), "authenticated",
           no_reply=True, identity=IDENTITY.hex())
reflection("all TLVs, keyed", ALL + hmac_tlv(7, ALL),
           ALL_ANSWERED + hmac_tlv(9, ALL_ANSWERED, 0), "keyed",
           no_reply=True, identity=IDENTITY.hex())
some = [REQUEST[k] for k in ("location", "timestamps", "cos", "direct", "follow-up")]
reflection("no answers", b"".join(some), b"".join(some), answers={})

unknown, cos, cos_answered = tlv(200, b"new"), REQUEST["cos"], ANSWERED["cos"]
reflection("unknown TLV", unknown + cos, unknown + cos_answered)
reflection("unknown TLV without U, reserved flags", flagged(unknown, 0x1f) + flagged(cos, 0xff),
           unknown + cos_answered)
reflection("fields of the reflector's are not zero",
           tlv(4, raw(CoS(dscp1=46, dscp2=29, rp=3, ecn=1, reserved=65535)))
           + tlv(2, raw(Ports(dport=1, sport=2)) + tlv(4, b"\xff" * 16)),
           cos_answered + tlv(2, raw(Ports(dport=862, sport=40000)) + tlv(5, ip("192.0.2.1"), 0), 0))
reflection("truncated TLV", cos + unknown[:-1], cos_answered + flagged(unknown[:-1], 0x40),
           error="ErrTLVTruncated")
reflection("truncated header", cos + b"\x80\x04\x00", cos_answered + b"\x40\x04\x00",
           error="ErrTLVTruncated")
long_cos = tlv(4, bytes(5))
reflection("length not valid", cos + long_cos + cos,
           cos_answered + flagged(long_cos, 0x40) + cos, error="ErrTLVLength")
reflection("length not valid, authenticated", cos + long_cos + hmac_tlv(7, cos + long_cos),
           cos_answered + flagged(long_cos, 0x40)
           + hmac_tlv(9, cos_answered + flagged(long_cos, 0x40)), "authenticated",
           error="ErrTLVLength")
reflection("Follow-Up Telemetry of another length", tlv(7, b"\xff" * 14),
           tlv(7, bytes(12) + b"\xff" * 2, 0x40), error="ErrTLVLength")
reflection("access network not valid", tlv(6, raw(AccessReport(id=3))),
           tlv(6, raw(AccessReport(id=3))))
short_sub = raw(Ports()) + tlv(4, bytes(16)) + tlv(7, bytes(15))
reflection("Location with a sub-TLV of another length", tlv(2, short_sub),
           tlv(2, raw(Ports()) + tlv(4, bytes(16)) + tlv(7, bytes(15), 0x40), 0x40),
           error="ErrTLVLength")
same_link = tlv(10, tlv(1, (1).to_bytes(4, "big")))
reflection("reply on the same link", same_link, same_link)
reflection("two return paths", same_link + REQUEST["return path"],
           same_link + REQUEST["return path"])
address = tlv(10, tlv(2, ipaddress.ip_address("192.0.2.9").packed))
reflection("return address", address, address)
bad = tlv(244, strings("node-a")[:-1])
reflection("identity with a length that is not valid", bad, flagged(bad, 0x40),
           error="ErrTLVLength")
not_utf8 = tlv(244, b"\0\1\xff")
reflection("identity that is not UTF-8", not_utf8, flagged(not_utf8, 0x40), error="ErrTLVValue")

I = 0xa0  # U, as it came, and I
wrong = tlv(8, bytes(16))
for m in ("authenticated", "keyed"):
    reflection("HMAC TLV wrong, " + m, cos + wrong, flagged(cos, I) + flagged(wrong, I), m,
               error="ErrTLVHMAC")
    reflection("HMAC TLV missing, " + m, cos, flagged(cos, I), m, error="ErrTLVHMAC")
reflection("HMAC TLV without a key", cos + hmac_tlv(7, cos),
           flagged(cos, I) + flagged(hmac_tlv(7, cos), I), error="ErrTLVHMAC")
reflection("TLV behind the HMAC TLV", hmac_tlv(7, b"") + cos,
           flagged(hmac_tlv(7, b""), I) + flagged(cos, I), "authenticated", error="ErrTLVHMAC")
reflection("truncated TLV, HMAC TLV missing", cos + unknown[:-1],
           flagged(cos, I) + flagged(unknown[:-1], I | 0x40), "authenticated", error="ErrTLVHMAC")
reflection("Extra Padding alone, authenticated", fill(bytes(112), 200),
           flagged(fill(bytes(112), 200), 0), "authenticated")

print(json.dumps({
    "what": "Made by make_golden.py with scapy 2.5.0; see README.md.",
    "key": KEY.hex(), "vectors": vectors, "reflections": reflections}, indent=1))
