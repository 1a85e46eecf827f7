"""A libzmq subscriber that does what it is told.

subscriber.py TYPE ENDPOINT [OPTION=VALUE...] connects a socket of the type, with integer options.
Each line on standard input is a command, answered by one line; topics and messages are in hex:

  subscribe TOPIC    unsubscribe TOPIC    send MESSAGE
  read N             receive N messages, answer them
  digest N           receive N messages, answer the SHA-256 of all of them
  until MESSAGE      receive until this one, answer how many came before it
"""

import hashlib
import sys

import zmq

PATIENCE_MS = 60_000


def answer(socket, command, arguments):
    argument = arguments[0] if arguments else ""
    if command == "subscribe":
        socket.setsockopt(zmq.SUBSCRIBE, bytes.fromhex(argument))
    elif command == "unsubscribe":
        socket.setsockopt(zmq.UNSUBSCRIBE, bytes.fromhex(argument))
    elif command == "send":
        socket.send(bytes.fromhex(argument))
    elif command == "read":
        return " ".join(socket.recv().hex() for _ in range(int(argument)))
    elif command == "digest":
        digest = hashlib.sha256()
        for _ in range(int(argument)):
            digest.update(socket.recv())
        return digest.hexdigest()
    elif command == "until":
        last, n = bytes.fromhex(argument), 0
        while socket.recv() != last:
            n += 1
        return str(n)
    else:
        return "unknown command"
    return "done"


def main():
    kind, endpoint, *options = sys.argv[1:]
    socket = zmq.Context().socket(getattr(zmq, kind))
    socket.setsockopt(zmq.IPV6, 1)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.RCVTIMEO, PATIENCE_MS)
    for option in options:
        name, value = option.split("=")
        socket.setsockopt(getattr(zmq, name), int(value))
    socket.connect(endpoint)
    for line in sys.stdin:
        command, *arguments = line.split()
        print(answer(socket, command, arguments), flush=True)


main()
