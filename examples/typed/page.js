// @ts-check
// The page's script, as the browser runs it. Types are in comments; `tsc --project examples/typed` checks them.
import { connect } from '/live/client.mjs'

/** @import { ServerEvents, ClientEvents, State, Task } from './events' */

/** @type {import('/live/client.mjs').Session<ServerEvents, ClientEvents>} */
const session = connect('/live')
const me = `guest ${Math.ceil(Math.random() * 999)}`

const list = /** @type {HTMLUListElement} */ (document.querySelector('#tasks'))
const editor = /** @type {HTMLFormElement} */ (document.querySelector('#editor'))
const title = /** @type {HTMLInputElement} */ (document.querySelector('#title'))
const due = /** @type {HTMLInputElement} */ (document.querySelector('#due'))
const result = /** @type {HTMLElement} */ (document.querySelector('#result'))
const pill = /** @type {HTMLElement} */ (document.querySelector('#state'))

/** @type {Map<number, HTMLLIElement>} */
const rows = new Map()

/** @param {unknown} fault */
const complain = (fault) => {
  result.textContent = fault instanceof Error ? fault.message : String(fault)
}

/** The state that a click gives a task, and the text of the button. @type {(state: State) => [State, string]} */
const next = (state) => {
  switch (state.kind) {
    case 'open':
      return [{ kind: 'in-progress', by: me }, 'Begin']
    case 'in-progress':
      return [{ kind: 'done', by: me }, 'Done']
    case 'done':
      return [{ kind: 'open' }, 'Take back']
  }
}

/** @param {Task} task */
const show = (task) => {
  const row = rows.get(task.id) ?? document.createElement('li')
  const text = document.createElement('span')
  text.className = task.state.kind
  const by = task.state.kind === 'open' ? '' : ` (${task.state.by})`
  const day = task.dueDay === null ? '' : ` by ${new Date(task.dueDay * 86_400_000).toISOString().slice(0, 10)}`
  text.textContent = task.title + day + by
  const [state, label] = next(task.state)
  const button = document.createElement('button')
  button.textContent = label
  button.onclick = () => session.request('move', task.id, state).then(() => (result.textContent = ''), complain)
  const picture = document.createElement('input')
  picture.type = 'file'
  picture.accept = 'image/*'
  picture.ariaLabel = `A picture for ${task.title}`
  picture.onchange = async () => {
    const file = picture.files?.[0]
    if (file) session.emit('draw', task.id, await file.arrayBuffer())
  }
  row.replaceChildren(text, button, picture, ...row.querySelectorAll('img'))
  if (rows.has(task.id)) return
  rows.set(task.id, row)
  list.append(row)
}

// A server that was started anew has other tasks.
session.on('open', async () => {
  const tasks = await session.request('list')
  rows.clear()
  list.replaceChildren()
  tasks.forEach(show)
})
session.on('changed', show)
session.on('picture of a task', ({ task, data }) => {
  const row = rows.get(task)
  if (!row) return
  const image = row.querySelector('img') ?? document.createElement('img')
  URL.revokeObjectURL(image.src)
  image.src = URL.createObjectURL(new Blob([data]))
  image.alt = ''
  row.append(image)
})
session.on('sure?', (question, reply) => reply(confirm(question)))

const showState = () => {
  pill.textContent = session.state === 'open' ? `open · ${session.transport}` : session.state
  pill.className = session.state
}
session.on('open', showState)
session.on('transport', showState)
session.on('interrupted', showState)
session.on('resumed', showState)
session.on('closed', showState)

/** @param {Event} event */
editor.onsubmit = async (event) => {
  event.preventDefault()
  try {
    const day = due.valueAsNumber
    show(await session.request('add', title.value, Number.isNaN(day) ? null : day / 86_400_000))
    title.value = due.value = result.textContent = ''
  } catch (fault) {
    complain(fault)
  }
}
