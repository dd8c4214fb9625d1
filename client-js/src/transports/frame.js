/** Answers as a page that never ends, in a hidden frame: its scripts pass the pieces on. */
import { conceal, expose, load, remove, requester, soon } from './dom.js'
import { root } from '../env.js'

const listen = (verb, old, name, task) =>
  root.addEventListener ? root[verb + 'EventListener'](name, task, false) : root[old + 'tachEvent']('on' + name, task)

/**
 * In Internet Explorer the frame is in a document of its own, so that the page does not look as if it were
 * loading. The document lives as long as there is a reference to it.
 */
export const htmlfile = requester((url, text, read, end) => {
  let page = new ActiveXObject('htmlfile')
  page.open()
  page.write('<html><body></body></html>')
  page.close()
  page.parentWindow.p = read
  let frame = load(page, 'iframe', url + 'callback=p&data=' + encodeURIComponent(text), end)
  const close = () => {
    if (!page) return
    listen('remove', 'de', 'unload', close)
    // Otherwise the connection stays open, even after this page has gone.
    frame.src = 'about:blank'
    page.body.innerHTML = ''
    page = frame = 0
    if (root.CollectGarbage) CollectGarbage()
  }
  listen('add', 'at', 'unload', close)
  // The caller may be a script of the frame.
  return () => soon(close)
})

export const iframe = requester((url, text, read, end) => {
  const name = !root.postMessage && expose(read)
  const frame = load(document, 'iframe', url + (name ? 'callback=' + name + '&' : '') + 'data=' + encodeURIComponent(text), end)
  // Internet Explorer 8 has several objects for one window.
  // eslint-disable-next-line eqeqeq
  const message = (event) => event.source == frame.contentWindow && read(event.data)
  listen('add', 'at', 'message', message)
  return () =>
    soon(() => {
      listen('remove', 'de', 'message', message)
      frame.src = 'about:blank'
      remove(frame)
      if (name) conceal(name)
    })
})
