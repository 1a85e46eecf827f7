"""Writes the messages of a ZeroMQ publisher to a file, each as one line: a JSON array of its frames.

Appends to messages.jsonl in the folder, and makes subscribed-PID there when the socket was told to connect.
"""

import json
import os
import sys
import time

import zmq

folder, address, prefix, hwm, pause = sys.argv[1:]

socket = zmq.Context().socket(zmq.SUB)
socket.setsockopt(zmq.RCVHWM, int(hwm))
socket.setsockopt(zmq.SUBSCRIBE, prefix.encode())
socket.connect("tcp://" + address)
open(os.path.join(folder, f"subscribed-{os.getpid()}"), "x").close()

with open(os.path.join(folder, "messages.jsonl"), "a", buffering=1, encoding="utf-8") as messages:
    while True:
        frames = socket.recv_multipart()
        messages.write(json.dumps([frame.decode() for frame in frames]) + "\n")
        if float(pause):
            time.sleep(float(pause))
