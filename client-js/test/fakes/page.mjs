/**
 * A fake page: elements that fetch scripts and frames, forms, windows that talk to each other, and Internet
 * Explorer's separate document. `options` has the differences between browsers:
 *
 * - `ie`: the version, 6 to 9, or nothing. Up to 8: no `addEventListener`, no `onload` and `onerror` of
 *   elements but states, a `delete` of a window's property throws, names of elements count only when they
 *   stand in markup (up to 7), no `postMessage` (up to 7).
 * - `posts: false`: no `postMessage` elsewhere either (Firefox 2, Opera 9).
 * - `early`: a script's state is `loaded` before it has run.
 * - `slowBlank`: an empty frame's `load` comes a moment after it was put in, as in Gecko, not within.
 * - `foreign`: frames are of another origin.
 */
import { createContext, runInContext } from 'node:vm'
import { createClock } from '../clock.mjs'
import { createNetwork } from './lines.mjs'

const NAME = /^anywire/

export const createPage = (options = {}) => {
  const { ie = 0, posts = ie === 0 || ie > 7, early, slowBlank, foreign } = options
  const old = ie > 0 && ie < 9
  const clock = createClock()
  const network = createNetwork(clock)
  /** Scripts that are on their way are held by the browser, wherever their elements are. */
  const coming = new Set()
  /** `turn` counts the tasks of the page's own. */
  const page = { clock, network, errors: [], popups: [], garbage: 0, turn: 0 }
  const later = (task, delay) =>
    clock.setTimeout(() => {
      page.turn++
      task()
    }, delay)
  const global = { setTimeout: later, clearTimeout: clock.clearTimeout, Date: clock.Date }
  const context = createContext(global)
  const self = new Proxy(global, {
    deleteProperty(target, name) {
      if (old) throw Error("Object doesn't support this action")
      return Reflect.deleteProperty(target, name)
    }
  })
  page.context = context
  global.self = global.window = self

  const guard = (act) => {
    try {
      act()
    } catch (error) {
      page.errors.push(error)
    }
  }

  const fire = (element, name) => {
    if (old && (name === 'load' || name === 'error')) return
    const handler = element['on' + name]
    if (typeof handler === 'function') guard(() => handler.call(element, { type: name }))
  }

  const state = (element, value) => {
    if (!ie) return
    element.readyState = value
    fire(element, 'readystatechange')
  }

  // Windows.

  let listeners = []
  const add = (name, task) => listeners.push([name, task])
  const drop = (name, task) => (listeners = listeners.filter((one) => one[0] !== name || one[1] !== task))
  if (old) Object.assign(global, { attachEvent: (name, task) => add(name.slice(2), task), detachEvent: (name, task) => drop(name.slice(2), task) })
  else Object.assign(global, { addEventListener: add, removeEventListener: drop })
  page.tell = (name, event) => {
    for (const [one, task] of listeners) if (one === name) guard(() => task(event))
  }
  page.listeners = () => listeners.length
  /** Says something as another window of the page would. */
  page.post = (data, source) => clock.setTimeout(() => page.tell('message', { data, source, origin: 'http://one.example' }), 1)
  if (posts) global.postMessage = (data) => page.post(data, self)

  /** The `parent` of a frame. */
  const parentOf = (target, source, foreign) =>
    new Proxy(target, {
      get(target, name) {
        if (name === 'postMessage' && posts) return (data) => page.post(data, source)
        if (foreign) throw Error('Permission denied')
        return target[name]
      }
    })

  // Elements.

  class Element {
    childNodes = []
    parentNode = null
    #src = ''
    constructor(owner, tag, markup = {}) {
      this.owner_ = new WeakRef(owner)
      this.tagName = tag.toUpperCase()
      this.markup_ = markup
      this.style = {}
      Object.assign(this, markup)
      if (ie && /iframe|script/.test(tag)) this.readyState = 'uninitialized'
      if (tag === 'iframe') {
        this.contentWindow = { location: { href: 'about:blank' } }
      }
    }
    get firstChild() {
      return this.childNodes[0] || null
    }
    get lastChild() {
      return this.childNodes.at(-1) || null
    }
    get src() {
      return this.#src
    }
    set src(url) {
      this.#src = url
      if (this.attached_() && this.tagName === 'IFRAME') this.fetch_(url)
    }
    attached_() {
      let top = this
      while (top.parentNode) top = top.parentNode
      return top.tagName === 'HTML'
    }
    insertBefore(child, before) {
      if (before === undefined) throw Error('Invalid argument.')
      child.parentNode?.removeChild(child)
      const at = before ? this.childNodes.indexOf(before) : this.childNodes.length
      if (at < 0) throw Error('NOT_FOUND_ERR')
      this.childNodes.splice(at, 0, child)
      child.parentNode = this
      if (this.attached_()) child.enter_()
      return child
    }
    appendChild(child) {
      return this.insertBefore(child, null)
    }
    removeChild(child) {
      const at = this.childNodes.indexOf(child)
      if (at < 0) throw Error('NOT_FOUND_ERR')
      this.childNodes.splice(at, 1)
      child.leave_()
      child.parentNode = null
      return child
    }
    enter_() {
      for (const child of this.childNodes) child.enter_()
      if (this.tagName === 'IFRAME') this.fetch_(this.#src || 'about:blank', !this.#src)
      else if (this.tagName === 'SCRIPT' && this.#src && !this.begun_) this.script_()
    }
    leave_() {
      for (const child of this.childNodes) child.leave_()
      // A frame's request ends with it, except in Internet Explorer; a script's goes on.
      if (this.tagName === 'IFRAME' && !ie) this.line_?.abort()
    }
    get innerHTML() {
      throw Error('not faked')
    }
    set innerHTML(text) {
      for (const child of [...this.childNodes]) this.removeChild(child)
      let into = this
      for (const [, shut, tag, rest, alone] of text.matchAll(/<(\/?)(\w+)([^>]*?)(\/?)>/g)) {
        if (shut) into = into.parentNode
        else {
          const markup = {}
          for (const [, name, value] of rest.matchAll(/([\w-]+)="([^"]*)"/g)) markup[name] = value.replace(/&amp;/g, '&')
          const child = into.appendChild(new Element(this.owner_.deref(), tag, markup))
          if (!alone) into = child
        }
      }
    }

    // Scripts.

    script_() {
      this.begun_ = true
      coming.add(this)
      let code = ''
      const over = (name) => {
        coming.delete(this)
        if (old) state(this, 'loaded')
        else fire(this, name)
      }
      const run = () => guard(() => runInContext(code, context))
      this.sink_ = {
        hears_: (text) => (code += text),
        ends_: (status) => {
          if (status !== 200) over('error')
          else if (early && old) {
            over()
            clock.setTimeout(run, 0)
          } else {
            run()
            over('load')
          }
        },
        breaks_: () => over('error')
      }
      network.request({ method: 'GET', url: this.src, kind: 'script', async: this.async === true }, this.sink_)
      state(this, 'loading')
    }

    // Frames.

    fetch_(url, empty) {
      this.line_?.abort()
      this.visit_ = {}
      if (url === 'about:blank') {
        const visit = this.visit_
        const loaded = () => {
          if (visit !== this.visit_) return
          state(this, 'complete')
          fire(this, 'load')
        }
        if (empty && !slowBlank) loaded()
        else clock.setTimeout(loaded, 1)
        return
      }
      this.show_({ method: 'GET', url, kind: 'frame' })
    }
    show_(asked) {
      this.visit_ = {}
      const top = this.owner_.deref()
      const inner = createContext({})
      // The same window whatever it shows.
      const shown = this.contentWindow
      const inside = runInContext('this', inner)
      inside.parent = parentOf(top.window_(), shown, foreign)
      inside.document = {}
      let text = ''
      const loaded = () => {
        state(this, 'complete')
        fire(this, 'load')
      }
      const line = network.request(asked, this)
      this.line_ = line
      this.hears_ = (more) => {
        // A page without a reference is gone, with its frames.
        if (!this.owner_.deref()) return line.abort()
        text += more
        state(this, 'interactive')
        // Scripts run as soon as they are whole.
        for (let found; line.open && (found = /<script>([^]*?)<\/script>/.exec(text)); ) {
          text = text.slice(found.index + found[0].length)
          guard(() => runInContext(found[1], inner))
        }
      }
      this.ends_ = loaded
      // The browser shows an error page of its own, which has loaded.
      this.breaks_ = loaded
      state(this, 'loading')
    }

    // Forms.

    submit() {
      const name = this.target
      const frames = []
      const walk = (element) => {
        if (element.tagName === 'IFRAME' && (ie && ie < 8 ? element.markup_.name : element.name) === name) frames.push(element)
        element.childNodes.forEach(walk)
      }
      walk(document.documentElement)
      // Latin 1 is what many pages are in.
      const encode = (text) => encodeURIComponent(text.replace(/\r\n?|\n/g, '\r\n').replace(/[^\0-\xff]/g, (c) => `&#${c.charCodeAt(0)};`))
      const fields = this.childNodes.filter((child) => child.name).map((child) => `${encode(child.name)}=${encode(String(child.value))}`)
      const asked = { method: this.method.toUpperCase(), url: this.action, body: fields.join('&'), kind: 'form' }
      if (frames.length) frames[0].show_(asked)
      else page.popups.push(asked)
    }
  }

  class Document {
    constructor(own) {
      this.documentElement = new Element(this, 'html')
      this.own_ = own
      if (own) this.window_ = () => own
    }
    get body() {
      return this.documentElement.childNodes.find((child) => child.tagName === 'BODY') || null
    }
    createElement(text) {
      const found = /^<(\w+)((?: \w+="[^"]*")*)>$/.exec(text)
      if (found && !old) throw Error('INVALID_CHARACTER_ERR')
      const markup = {}
      for (const [, name, value] of (found?.[2] || '').matchAll(/(\w+)="([^"]*)"/g)) markup[name] = value
      return new Element(this, found?.[1] || text, markup)
    }
    open() {}
    write() {
      if (!this.body) this.documentElement.appendChild(new Element(this, 'body'))
    }
    close() {}
    get parentWindow() {
      return this.own_
    }
  }

  const document = new Document()
  document.window_ = () => runInContext('this', context)
  document.documentElement.appendChild(new Element(document, 'head'))
  document.documentElement.appendChild(new Element(document, 'body'))
  global.document = document
  page.document = document

  /** Everything in the page below its head and body. */
  page.elements = () => {
    const list = []
    const walk = (element) => {
      list.push(element)
      element.childNodes.forEach(walk)
    }
    walk(document.documentElement)
    return list.slice(1).filter(({ tagName }) => !/^(HEAD|BODY)$/.test(tagName))
  }
  /** Names of ours in the window that have a value. */
  page.globals = () => Object.keys(global).filter((name) => NAME.test(name) && name !== 'anywire' && global[name] !== undefined)
  page.leftNames = () => Object.keys(global).filter((name) => NAME.test(name) && name !== 'anywire')
  page.documents = []
  if (ie) {
    global.ActiveXObject = function (name) {
      if (name !== 'htmlfile') throw Error("Automation server can't create object")
      const made = new Document({})
      page.documents.push(new WeakRef(made))
      return made
    }
    global.CollectGarbage = () => void page.garbage++
  }
  page.run = (code) => runInContext(code, context)
  return page
}
