"""Two paho clients, a publisher and a subscriber, through the address given.

    through_paho.py HOST PORT VERSION COUNT

VERSION is 311 or 5. The subscriber's session is kept; half-way both lose their connection (the test may kill a
node meanwhile) and come back by paho's own reconnect. Every message must arrive, in order; at QoS 2 exactly once.
Prints `ok` at the end; anything wrong is told and ends with exit code 1.
"""

import collections
import socket
import sys
import threading
import time
import uuid

import paho.mqtt.client as mqtt

HOST, PORT, VERSION, COUNT = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
LIMIT = 60
PACE = 0.005  # seconds between messages, so that the cut falls into the middle of handshakes


def client(role, kept):
    name = f"paho-{role}-{uuid.uuid4().hex[:8]}"
    api = mqtt.CallbackAPIVersion.VERSION2
    if VERSION == "5":
        made = mqtt.Client(api, client_id=name, protocol=mqtt.MQTTv5)
    else:
        made = mqtt.Client(api, client_id=name, protocol=mqtt.MQTTv311, clean_session=not kept)
    made.reconnect_delay_set(1, 2)
    return made


def connect(made, kept):
    if VERSION == "5":
        properties = mqtt.Properties(mqtt.PacketTypes.CONNECT)
        properties.SessionExpiryInterval = 600 if kept else 0
        made.connect(HOST, PORT, keepalive=10, clean_start=False, properties=properties)
    else:
        made.connect(HOST, PORT, keepalive=10)
    made.loop_start()


def cut(made):
    """Ends the TCP connection as a network does, without an MQTT word."""
    try:
        made.socket().shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


def main():
    topic = f"paho/{uuid.uuid4().hex[:8]}"
    came = collections.defaultdict(list)
    subscribed, connected, done = threading.Event(), threading.Event(), threading.Event()

    def on_message(_client, _data, message):
        came[message.topic].append(int(message.payload))
        if all(came[f"{topic}/{qos}"].count(COUNT - 1) for qos in (1, 2)):
            done.set()

    subscriber = client("sub", kept=True)
    subscriber.on_message = on_message
    subscriber.on_subscribe = lambda *_: subscribed.set()
    subscriber.on_connect = lambda made, _data, flags, *_: flags.session_present or made.subscribe(f"{topic}/#", 2)
    connect(subscriber, kept=True)
    if not subscribed.wait(LIMIT):
        sys.exit("no SUBACK came")

    publisher = client("pub", kept=True)
    publisher.on_connect = lambda *_: connected.set()
    connect(publisher, kept=True)
    if not connected.wait(LIMIT):
        sys.exit("no CONNACK came")
    sent = []
    for number in range(COUNT):
        for qos in (0, 1, 2):
            sent.append(publisher.publish(f"{topic}/{qos}", str(number), qos))
        time.sleep(PACE)
        if number == COUNT // 2:
            print("half", flush=True)
            cut(publisher)
            cut(subscriber)
    # Without a connection paho keeps what is above QoS 0 and sends it later.
    kept = (mqtt.MQTT_ERR_SUCCESS, mqtt.MQTT_ERR_NO_CONN, mqtt.MQTT_ERR_CONN_LOST)
    refused = [info.rc for info in sent if info.rc not in kept]
    if refused:
        sys.exit(f"publish failed: {refused}")
    if not done.wait(LIMIT):
        sys.exit(f"not all came: {[(key, len(value)) for key, value in came.items()]}")
    for made in (publisher, subscriber):
        made.disconnect()
        made.loop_stop()

    everything = list(range(COUNT))
    if came[f"{topic}/2"] != everything:
        sys.exit(f"QoS 2 is not exactly once and in order: {came[f'{topic}/2']}")
    firsts = sorted(set(came[f"{topic}/1"]), key=came[f"{topic}/1"].index)
    if firsts != everything:
        sys.exit(f"QoS 1 lacks some or is out of order: {came[f'{topic}/1']}")
    at_most_once = came[f"{topic}/0"]
    if not at_most_once or at_most_once != sorted(set(at_most_once)):
        sys.exit(f"QoS 0 came twice or out of order, or not at all: {at_most_once}")
    print("ok", flush=True)


main()
