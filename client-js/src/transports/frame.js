/** Answers as a page that never ends, in a hidden frame whose scripts hand them over. */
import { conceal, expose, load, remove, requester, soon } from './dom.js'
import { root } from '../env.js'

const listen = (verb, old, name, task) =>
  root.addEventListener ? root[verb + 'EventListener'](name, task, false) : root[old + 'tachEvent']('on' + name, task)

/** Internet Explorer's, in a page of its own: none of the signs that a page is loading. The page lives as long as somebody knows it. */
export const htmlfile = requester((url, text, hear, end) => {
  let page = new ActiveXObject('htmlfile')
  page.open()
  page.write('<html><body></body></html>')
  page.close()
  page.parentWindow.p = hear
  let frame = load(page, 'iframe', url + 'callback=p&data=' + encodeURIComponent(text), end)
  const close = () => {
    if (!page) return
    listen('remove', 'de', 'unload', close)
    // Else the connection stays, even beyond this page.
    frame.src = 'about:blank'
    page.body.innerHTML = ''
    page = frame = 0
    if (root.CollectGarbage) CollectGarbage()
  }
  listen('add', 'at', 'unload', close)
  // A script of the frame may be what calls.
  return () => soon(close)
})

export const iframe = requester((url, text, hear, end) => {
  const name = !root.postMessage && expose(hear)
  const frame = load(document, 'iframe', url + (name ? 'callback=' + name + '&' : '') + 'data=' + encodeURIComponent(text), end)
  // Internet Explorer 8 has several of the same window.
  // eslint-disable-next-line eqeqeq
  const message = (event) => event.source == frame.contentWindow && hear(event.data)
  listen('add', 'at', 'message', message)
  return () =>
    soon(() => {
      listen('remove', 'de', 'message', message)
      frame.src = 'about:blank'
      remove(frame)
      if (name) conceal(name)
    })
})
