"""Tries to reach what it is told, in all the ways at once, and says what came of each. Runs in a capsule, as root."""

import concurrent.futures
import json
import os
import socket
import struct
import sys
import time

PATIENCE = 2.0


def tcp(address, port):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as s:
        s.settimeout(PATIENCE)
        s.connect((address, port))
        return "reached"


def udp(address, port):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as s:
        s.settimeout(PATIENCE)
        s.connect((address, port))
        s.send(b"hello")
        s.recv(100)
        return "reached"


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def icmp(address, _port):
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as s:
        number = int.from_bytes(os.urandom(2), "big")
        echo = lambda sum: struct.pack("!BBHHH", 8, 0, sum, number, 1)
        s.sendto(echo(checksum(echo(0))), (address, 0))
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            s.settimeout(max(0.01, deadline - time.monotonic()))
            packet, (sender, _) = s.recvfrom(1500)
            kind, _, _, got, _ = struct.unpack("!BBHHH", packet[20:28])
            if sender == address and kind == 0 and got == number:
                return "reached"
            if kind == 3 and packet[48:54] == echo(checksum(echo(0)))[:6]:
                raise OSError("unreachable")
        raise OSError("silence")


def spoof(address, port):
    """A datagram that claims to be from somebody else. Nothing can come back: the service says whether it came."""
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as s:
        source = socket.inet_aton("203.0.113.77")
        datagram = struct.pack("!HHHH", 4444, port, 8 + 5, 0) + b"spoof"
        header = lambda sum: struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(datagram), 1, 0, 64, 17, sum, source, socket.inet_aton(address))
        s.sendto(header(checksum(header(0))) + datagram, (address, 0))
        return "sent"


def sctp(address, port):
    """A protocol that is none of those that are let pass."""
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, 132) as s:
        s.sendto(b"\0" * 32, (address, 0))
        return "sent"


def frame6(address, port):
    """IPv6 straight onto the wire, whatever the capsule's own kernel thinks of it."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as s:
        s.bind(("eth0", 0))
        source = socket.inet_pton(socket.AF_INET6, "fe80::2")
        target = socket.inet_pton(socket.AF_INET6, address)
        body = struct.pack("!HHHH", 4444, port, 8 + 5, 0xFFFF) + b"hello"
        packet = struct.pack("!IHBB", 6 << 28, len(body), 17, 64) + source + target + body
        s.send(bytes.fromhex("0277726e6e01") + bytes.fromhex("0277726e6e02") + b"\x86\xdd" + packet)
        return "sent"


def name(name, _port):
    return socket.getaddrinfo(name, 80, socket.AF_INET, socket.SOCK_STREAM)[0][4][0]


def attempt(one):
    how, address, port = one
    began = time.monotonic()
    try:
        result = globals()[how](address, port)
    except OSError as error:
        result = "late" if time.monotonic() - began > PATIENCE - 0.2 else "refused"
        del error
    return ["%s %s %s" % (how, address, port), result]


with concurrent.futures.ThreadPoolExecutor(24) as pool:
    print(json.dumps(dict(pool.map(attempt, json.loads(sys.argv[1])))))
