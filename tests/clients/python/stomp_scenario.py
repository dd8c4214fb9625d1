"""stomp.py over a WebSocket, in one of the three versions: a report as JSON.

stomp_scenario.py PORT SHORT-PORT VERSION
"""

import itertools
import json
import queue
import sys

import stomp
from stomp.adapter.ws import WSTransport
from stomp.connect import BaseConnection
from stomp.protocol import Protocol10, Protocol11, Protocol12

PATIENCE = 20


class Peer(stomp.ConnectionListener):
    """A client of one version. What it hears is in queues: messages by their subscription, and the rest."""

    def __init__(self, port, version, beats=0, **login):
        transport = WSTransport([('127.0.0.1', port)], ws_path='/stomp', reconnect_attempts_max=1)
        protocol = {'1.0': Protocol10, '1.1': Protocol11, '1.2': Protocol12}[version]

        class Connection(BaseConnection, protocol):
            def __init__(self):
                BaseConnection.__init__(self, transport)
                if version == '1.0':
                    protocol.__init__(self, transport)
                else:
                    protocol.__init__(self, transport, (beats, beats))

            def connect(self, *values, **options):
                self.transport.start()
                protocol.connect(self, *values, **options)

            def disconnect(self, receipt=None, **options):
                protocol.disconnect(self, receipt, **options)
                self.transport.stop()

        self.version = version
        self.messages, self.numbers = {}, itertools.count()
        self.connected, self.errors, self.receipts, self.beats, self.ends = (queue.Queue() for _ in range(5))
        self.connection = Connection()
        self.connection.set_listener('peer', self)
        self.login = login

    def on_connected(self, frame):
        self.connected.put(frame.headers)

    def on_message(self, frame):
        self.messages[frame.headers['subscription']].put(frame)

    def on_error(self, frame):
        self.errors.put(frame)
        self.connected.put(None)

    def on_receipt(self, frame):
        self.receipts.put(frame.headers['receipt-id'])

    def on_heartbeat(self):
        self.beats.put(True)

    def on_disconnected(self):
        self.ends.put(True)

    def open(self):
        self.connection.connect(**self.login)
        return self.connected.get(timeout=PATIENCE)

    def asking(self, act):
        """Runs `act` with a header that asks for a receipt, and waits for it."""
        receipt = f'receipt-{next(self.numbers)}'
        act(receipt)
        found = self.receipts.get(timeout=PATIENCE)
        assert found == receipt, found

    def hear(self, destination, ack='auto'):
        """The id and the queue of a new subscription."""
        number = f's{next(self.numbers)}'
        self.messages[number] = queue.Queue()
        self.asking(lambda receipt: self.connection.subscribe(destination, id=number, ack=ack, headers={'receipt': receipt}))
        return number, self.messages[number]

    def publish(self, destination, body, content_type=None, **headers):
        self.asking(lambda receipt: self.connection.send(destination, body, content_type, headers={**headers, 'receipt': receipt}))

    def settle(self, method, frame, **options):
        """Acknowledges or refuses a message, as the version has it."""
        names = {'1.0': ['message-id'], '1.1': ['message-id', 'subscription'], '1.2': ['ack']}[self.version]
        self.asking(lambda receipt: getattr(self.connection, method)(*(frame.headers[name] for name in names), receipt=receipt, **options))


def next_of(messages, count=1):
    return [messages.get(timeout=PATIENCE) for _ in range(count)]


def bodies(messages, count):
    return [frame.body for frame in next_of(messages, count)]


def delivered(frame):
    return [frame.body, frame.headers['redelivered']]


def scenario(port, short, version):
    report = {}
    eve = Peer(port, version, username='eve', passcode='wrong')
    eve.open()
    report['refused'] = eve.errors.get(timeout=PATIENCE).headers['message']

    ann = Peer(port, version, username='ann', passcode='secret', headers={'host': 'lab'})
    report['version'] = ann.open().get('version')
    _, logins = ann.hear('/user/queue/login')
    ann.connection.send('/app/who', '')
    login = json.loads(next_of(logins)[0].body)
    report['login'] = [login['login'], login['passcode']]

    bob = Peer(port, version, headers={'host': 'lab'})
    bob.open()
    topic = f'/topic/python-{version}'
    heard = [peer.hear(topic)[1] for peer in (ann, bob)]
    texts = ['hello', '', 'é€😀 \u2028', 'x' * 50_000] + [f'{n} ' + 'é😀' * (n % 13) for n in range(200)]
    for text in texts:
        bob.connection.send(topic, text, odd='a b')
    report['topic'] = [bodies(each, len(texts)) == texts for each in heard]
    odd = 'a:b\\c\nd' if version != '1.0' else 'a b'
    bob.publish(topic, 'odd', odd=odd)
    report['header'] = [next_of(each)[0].headers['odd'] == odd for each in heard]

    work = f'/queue/python-{version}'
    first, taken = ann.hear(work, 'client')
    for body in 'abc':
        bob.publish(work, body)
    held = next_of(taken, 3)
    ann.settle('ack', held[1])
    ann.asking(lambda receipt: ann.connection.unsubscribe(id=first, headers={'receipt': receipt}))
    again = next_of(bob.hear(work)[1], 2 if version == '1.0' else 1)
    report['queue'] = [[delivered(frame) for frame in held], [delivered(frame) for frame in again]]
    if version != '1.0':
        _, taken = ann.hear(work + '-nack', 'client-individual')
        ann.publish(work + '-nack', 'job')
        one = next_of(taken)[0]
        ann.settle('nack', one)
        two = next_of(taken)[0]
        ann.settle('ack', two)
        report['nack'] = [delivered(one), delivered(two)]

    kept, dropped = ann.connection.begin(), ann.connection.begin()
    ann.publish(topic, 'kept', transaction=kept)
    ann.publish(topic, 'never', transaction=dropped)
    ann.publish(topic, 'outside')
    ann.connection.abort(dropped)
    ann.connection.commit(kept)
    ann.publish(topic, 'behind')
    report['transactions'] = bodies(heard[0], 3)

    _, faults = ann.hear('/user/queue/errors')
    ann.publish('/app/double', '21', 'application/json')
    ann.connection.send('/app/double', '0', 'application/json', headers={'receipt': 'none'})
    fault = next_of(faults)[0]
    report['fault'] = [fault.headers['receipt-id'], fault.headers['code'], json.loads(fault.body)['message']]
    _, room = ann.hear('/topic/lobby')
    bob.publish('/app/say', '"hi"', 'application/json')
    said = next_of(room)[0]
    report['room'] = [said.body, said.headers['event']]

    ann.connection.send('/nowhere', 'text', headers={'receipt': 'lost'})
    error = ann.errors.get(timeout=PATIENCE)
    report['error'] = [error.headers['message'], error.headers['receipt-id']]
    ann.ends.get(timeout=PATIENCE)

    joe = Peer(short, version, 250 if version != '1.0' else 0, headers={'host': 'lab'})
    report['beats'] = joe.open().get('heart-beat')
    if version != '1.0':
        next_of(joe.beats, 8)
    _, heard = joe.hear(topic)
    joe.publish(topic, 'still here')
    report['beating'] = bodies(heard, 1)
    for peer in (bob, joe):
        peer.asking(lambda receipt: peer.connection.disconnect(receipt))
    return report


print(json.dumps(scenario(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])))
