"""The scenario of python-socketio, in either of its clients. Prints its report as JSON.

usage: scenario.py URL asyncio|threads TRANSPORT[,TRANSPORT] [--old] [--msgpack]

`--old` is for the versions that speak revision 3 of Engine.IO, which have no auth data. `--msgpack` takes the parser of
MessagePack, which has a path of its own.
"""

import asyncio
import json
import os
import sys
import traceback
from urllib.parse import urlencode

import socketio
from engineio.payload import Payload

TEXT = 'é€😀 \u2028\x1e\0"\\\n\uffff'
TEXTS = [[TEXT], [0.5, None, True, [], {}, '']]
VALUES = [
    *TEXTS,
    [{TEXT: [b'\x00\x7f\x80\xff', TEXT]}, b'\x04'],
    [bytes(range(256)) * 10, TEXT * 100],
]
PATIENCE = 20
# The client gives up on an answer to a poll with more than 16 packets, which ours does not send it. For other
# servers its documentation raises the number so.
if 'ANYWIRE_REFERENCE' in os.environ:
    Payload.max_decode_packets = 1000


def shown(value):
    """The value as JSON can have it: bytes as a list."""
    if isinstance(value, (bytes, bytearray)):
        return {'bytes': list(value)}
    if isinstance(value, (list, tuple)):
        return [shown(each) for each in value]
    if isinstance(value, dict):
        return {key: shown(each) for key, each in value.items()}
    return value


def numbered(n, filler):
    """The text of a number, or every tenth time its bytes."""
    text = f'#{n} {filler * (n % 13)}'
    return text.encode() if n % 10 == 0 else text


class Peer:
    """A client of either kind, in the same words. What it hears is in queues, by namespace and name."""

    def __init__(self, url, kind, transports, is_old, is_packed):
        self.loop = asyncio.get_running_loop()
        self.url, self.transports, self.is_old = url, transports, is_old
        # The old versions take the lengths in payloads for code points, where they are units of UTF-16.
        self.filler = 'é€x' if is_old else 'é€😀x'
        self.is_async = kind == 'asyncio'
        client = socketio.AsyncClient if self.is_async else socketio.Client
        parser = {'serializer': 'msgpack'} if is_packed else {}
        self.path = '/msgpack/' if is_packed else '/socket.io/'
        self.client = client(reconnection_delay=0.02, reconnection_delay_max=0.1, **parser)
        self.queues = {}

    def heard(self, name, namespace='/', answer=None):
        """The queue of these events; it has what comes from the first call on."""
        queue = self.queues.get((name, namespace))
        if queue is None:
            queue = self.queues[name, namespace] = asyncio.Queue()

            def note(*values):
                self.loop.call_soon_threadsafe(queue.put_nowait, list(values))
                return answer

            async def note_async(*values):
                return note(*values)

            self.client.on(name, note_async if self.is_async else note, namespace=namespace)
        return queue

    async def run(self, method, *values, **options):
        """Calls a method of the client, which waits on a thread of its own if it is the threaded one."""
        call = getattr(self.client, method)
        waiting = call(*values, **options) if self.is_async else asyncio.to_thread(call, *values, **options)
        return await asyncio.wait_for(waiting, PATIENCE)

    async def leave(self):
        """Disconnects, if the client can: by polling it sometimes forgets to say so, and waits for the next ping."""
        if 'websocket' in self.transports:
            await self.run('disconnect')

    async def connect(self, data, namespaces=('/',), wait=True):
        shows = {} if self.is_old else {'auth': data, 'wait': wait, 'wait_timeout': PATIENCE}
        url = f'{self.url}?{urlencode(data)}' if self.is_old else self.url
        shows = {'socketio_path': self.path, **shows}
        await self.run('connect', url, transports=self.transports, namespaces=list(namespaces), **shows)

    async def emit(self, name, *values, namespace='/'):
        await self.run('emit', name, tuple(values), namespace=namespace)

    async def ask(self, name, *values, namespace='/'):
        answer = await self.run('call', name, tuple(values), namespace=namespace, timeout=PATIENCE)
        return shown(answer)

    async def next(self, name, namespace='/'):
        return shown(await asyncio.wait_for(self.heard(name, namespace).get(), PATIENCE))


async def counts(peer):
    """
    Numbered events from both sides, through the upgrade if there is one. The threaded client has a thread for each
    message, so that bytes may overtake the packet that they belong to: here and below it gets none.
    """
    queue = peer.heard('counted')
    events, part = (500, 25) if peer.is_async else (9, 3)
    for first in range(1, events, part):
        for n in range(first, first + part):
            await peer.emit('count', n, numbered(n, peer.filler), peer.filler)
        await peer.emit('burst', first, first + part - 1, peer.filler)
    heard = [await asyncio.wait_for(queue.get(), PATIENCE) for _ in range(events)]
    if not peer.is_async:
        heard.sort(key=lambda values: values[0])
    return {
        'taken': await peer.ask('tally'),
        'heard': heard == [[n, numbered(n, peer.filler)] for n in range(1, events + 1)],
        'transport': peer.client.transport() if callable(peer.client.transport) else peer.client.transport,
    }


async def talks(peer, other):
    """Events, answers both ways, a room."""
    all_values = VALUES if peer.is_async else TEXTS
    peer.heard('question', answer={'you': b'\x01\x02' if peer.is_async else 'text'})
    peer.heard('echo')
    other.heard('told')
    echoes = []
    for values in all_values:
        await peer.emit('echo', *values)
        echoes.append(await peer.next('echo'))
    report = {
        'echoes': echoes == shown(all_values),
        'answers': [await peer.ask('message-with-ack', *values) for values in all_values] == [shown(v[0] if len(v) == 1 else v) for v in all_values],
        'asked': await peer.ask('ask', 'who?'),
    }
    room = f'python {id(peer)}'
    for each in (peer, other):
        await each.ask('join', room)
    await peer.emit('to', room, 'hello')
    return {**report, 'told': (await other.next('told'))[1:]}


async def ends(peer):
    """The server ends a namespace, then the connection."""
    page = '/doc-1'
    report = {'page': await peer.ask('where', namespace=page)}
    await peer.emit('kick', namespace=page)
    report['kicked'] = await peer.next('disconnect', page)
    report['stays'] = await peer.ask('where')
    # By polling alone the client takes the end of its connection for a farewell, and does not come back.
    if 'websocket' in peer.transports:
        await peer.emit('cut')
        report['cut'] = await peer.next('disconnect')
        await peer.next('connect')
        report['after'] = await peer.ask('where')
    await peer.leave()
    return report


async def refused(make, data, namespaces):
    peer = make()
    peer.heard('connect_error', namespaces[0])
    await peer.connect(data, namespaces, wait=False)
    refusal = await peer.next('connect_error', namespaces[0])
    await peer.leave()
    return refusal


async def main(url, kind, transports, *flags):
    def make():
        return Peer(url, kind, transports.split(','), '--old' in flags, '--msgpack' in flags)

    peer, other = make(), make()
    other.heard('disconnect')
    for name in ('auth', 'connect', 'disconnect'):
        peer.heard(name)
    for name in ('connect', 'disconnect'):
        peer.heard(name, '/doc-1')
    await peer.connect({'name': 'python'}, ['/', '/doc-1'])
    await other.connect({'name': 'other'})
    await peer.next('connect')
    report = {'auth': await peer.next('auth'), **await counts(peer), **await talks(peer, other), **await ends(peer)}
    await other.leave()
    # The old versions say nothing when they disconnect themselves.
    if not other.is_old and 'websocket' in other.transports:
        report['left'] = await other.next('disconnect')
    report['refused'] = await refused(make, {'token': 'guess'}, ['/admin'])
    report['nobody'] = await refused(make, {}, ['/nobody'])
    print(json.dumps(report), flush=True)


try:
    asyncio.run(main(*sys.argv[1:]))
except BaseException:
    traceback.print_exc()
    os._exit(1)
sys.stdout.flush()
# The threads of a client that has left wait for the end of a poll.
os._exit(0)
