// Files that servers write from their types, examples/typed/events.ts and variants.ts: what fits is taken, what does not
// is an error.
import { connect, type Session } from '../dist/anywire.js'
import type { ClientEvents, ServerEvents, State, Task } from '../../examples/typed/events'
import type * as variants from './variants'

const session: Session<ServerEvents, ClientEvents> = connect<ServerEvents, ClientEvents>('/live')
// As in a page without TypeScript, where the type stands in a comment.
const annotated: Session<ServerEvents, ClientEvents> = connect('/live')

session.request('list').then((tasks) => tasks.map(({ id, title, dueDay }) => [id.toFixed(), title.length, dueDay?.toFixed()]))
session.request('add', 'tea').then((task: Task) => session.request('move', task.id, { kind: 'done', by: 'ann' }))
session.request('add', 'tea', null).then(({ state }) => (state.kind === 'open' ? '' : state.by.length))
session.emit('draw', 1, new Uint8Array(3))
session.emit('draw', 1, new ArrayBuffer(3))
session.on('changed', (task) => task.state.kind === 'in-progress' && task.state.by)
session.on('picture of a task', ({ task, data }) => [task.toFixed(), data.byteLength])
session.on('sure?', (question, reply) => (question.length > 0 ? reply(true) : reply.fail({ code: 'none' })))
session.request('add', 'tea', null, (fault, task) => (fault ? fault.code : task.title))
const open: State = { kind: 'open' }

// @ts-expect-error a title is a text
session.request('add', 5)
// @ts-expect-error a task is no number
session.request('add', 'tea', null, (fault, task: number) => [fault, task])
// @ts-expect-error the title is missing
session.request('add')
// @ts-expect-error there is no such state
session.request('move', 1, { kind: 'lost' })
// @ts-expect-error this state needs a name
session.request('move', 1, { kind: 'done' })
// @ts-expect-error only the server sends this
session.emit('changed', { id: 1, title: '', state: open, dueDay: null })
// @ts-expect-error there is no such event
annotated.emit('drawn', 1, new ArrayBuffer(3))
// @ts-expect-error a picture is bytes
annotated.emit('draw', 1, 'bytes')
// @ts-expect-error serde renames this field
session.on('changed', (task) => task.due_day)
// @ts-expect-error not every state has a name
annotated.on('changed', (task) => task.state.by)
// @ts-expect-error the answer is a boolean
session.on('sure?', (question, reply) => reply('yes'))
// @ts-expect-error only the client sends this
session.on('draw', () => {})
// @ts-expect-error the answer is a list of tasks
session.request('list').then((task: Task) => task)

// The variants of an enum.
declare const word: string | null
const loop = connect<variants.ServerEvents, variants.ClientEvents>('/live')
loop.emit('ping')
loop.emit('say', 'hello')
loop.emit('move-to', 1, 2)
loop.emit('draw', { shape: { kind: 'circle', of: { radius: 2 } } })
loop.emit('tags', ['a', 'b'])
loop.emit('find', word)
loop.on('move-to', (x, y) => x + y)
loop.on('find', (found) => found?.length)
loop.on('n', (n) => n.toFixed())
// @ts-expect-error a ping has no value
loop.emit('ping', 1)
// @ts-expect-error the value is a text
loop.emit('say', 1)
// @ts-expect-error a place has two values
loop.emit('move-to', 1)
// @ts-expect-error these are two values, and no list
loop.emit('move-to', [1, 2])
// @ts-expect-error this is a list, and no values
loop.emit('tags', 'a', 'b')
// @ts-expect-error only the server sends this
loop.emit('n', 1)
