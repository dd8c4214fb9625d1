/**
 * Fakes of the objects that request something: written from documentation and memory, since no engine that
 * runs today has them but EventSource.
 */

/**
 * Internet Explorer 8 and 9, other origins. Text only, no headers, no status: what is not 200 is an error
 * without a reason. A request without all of its handlers is given up at the first progress. Nothing is shown
 * before 2 KiB have come. Sent while another one is sent in the same turn it gets lost. Only weakly held by
 * the network.
 */
export const createXDomainRequest = (page) => {
  const { clock, network } = page
  let sent = -1
  return class XDomainRequest {
    #line
    #text = ''
    #state = 0
    timeout = 0
    onload = null
    onerror = null
    ontimeout = null
    onprogress = null
    get responseText() {
      if (this.#state < 2) throw Error('Unspecified error.')
      return this.#text
    }
    set withCredentials(value) {
      throw Error('no such thing')
    }
    get withCredentials() {
      return undefined
    }
    open(method, url) {
      if (!/^(GET|POST)$/.test(method)) throw Error('Invalid argument.')
      this.#line = { method, url }
      this.#state = 1
    }
    #call(name) {
      if (typeof this[name] === 'function') this[name].call(this)
    }
    send(body) {
      if (this.#state !== 1) throw Error('Unspecified error.')
      if (typeof body !== 'string') throw Error('Invalid argument.')
      this.#state = 2
      if (sent === page.turn) return
      sent = page.turn
      this.#line = network.request({ ...this.#line, body }, this)
      const held = new WeakRef(this)
      if (this.timeout) clock.setTimeout(() => held.deref()?.times_(), this.timeout)
    }
    times_() {
      if (this.#state !== 2) return
      this.abort()
      this.#call('ontimeout')
    }
    abort() {
      if (this.#state > 2) throw Error('Unspecified error.')
      this.#line.abort?.()
      this.#state = 3
    }
    hears_(text) {
      const complete = this.onload && this.onerror && this.ontimeout && this.onprogress
      if (!complete) {
        this.#line.abort()
        return this.breaks_()
      }
      this.#text += text
      if (this.#text.length > 2048) this.#call('onprogress')
    }
    ends_(status) {
      if (status !== 200) return this.breaks_()
      this.#call('onload')
      this.#state = 3
    }
    breaks_() {
      this.#call('onerror')
      this.#state = 3
    }
  }
}

/**
 * The standard's, also in that it comes back by itself after an end unless it is closed. `strict`: WebKit of
 * 2011, no other origins.
 */
export const createEventSource = (clock, network, { strict } = {}) =>
  class EventSource {
    #line
    #rest = ''
    constructor(url, init) {
      if (strict && /^http/.test(url)) throw Error('SECURITY_ERR: DOM Exception 18')
      this.url = url
      this.withCredentials = Boolean(init && init.withCredentials)
      this.readyState = 0
      this.onopen = this.onmessage = this.onerror = null
      this.#connect()
    }
    #connect() {
      this.#rest = ''
      this.#line = network.request({ method: 'GET', url: this.url, credentials: this.withCredentials }, this)
    }
    hears_(text) {
      this.readyState = 1
      const events = (this.#rest + text).split(/\r?\n\r?\n/)
      this.#rest = events.pop()
      for (const event of events) {
        const data = event.split(/\r?\n/).filter((line) => line.startsWith('data:')).map((line) => line.slice(5).replace(/^ /, ''))
        if (data.length && this.readyState < 2) this.onmessage?.({ type: 'message', data: data.join('\n') })
      }
    }
    ends_(status) {
      // An answer that is no stream of events is not requested again.
      if (status !== 200) this.readyState = 2
      this.breaks_()
    }
    breaks_() {
      if (this.readyState < 2) {
        this.readyState = 0
        clock.setTimeout(() => this.readyState < 2 && this.#connect(), 3000)
      }
      this.onerror?.({ type: 'error' })
    }
    close() {
      this.#line.abort()
      this.readyState = 2
    }
  }

const BOUNDARY = '--part'

/**
 * An XMLHttpRequest that loads each part of a `multipart/x-mixed-replace` separately, as in Gecko before
 * 2013. It does not report the end of the whole.
 */
export const createMultipart = (network) =>
  class XMLHttpRequest {
    #line
    #rest = ''
    #headers = {}
    #opened
    multipart = false
    withCredentials = false
    responseText = ''
    readyState = 0
    status = 0
    onload = null
    onerror = null
    onreadystatechange = null
    open(method, url, async) {
      this.#opened = { method, url, async, multipart: this.multipart }
      this.readyState = 1
    }
    setRequestHeader(name, value) {
      this.#headers[name] = value
    }
    send(body) {
      if (this.readyState !== 1) throw Error('NS_ERROR_NOT_INITIALIZED')
      this.#line = network.request({ ...this.#opened, body, headers: this.#headers, credentials: this.withCredentials }, this)
    }
    abort() {
      this.#line?.abort()
      this.readyState = 0
    }
    #load(text) {
      this.responseText = text
      this.status = 200
      this.readyState = 4
      this.onload?.({ type: 'load' })
    }
    hears_(text) {
      this.#rest += text
      // Asked for too late, or not multipart: one answer like any other.
      if (!this.#opened.multipart || !this.#rest.startsWith(BOUNDARY)) return
      const pieces = this.#rest.split(`\r\n${BOUNDARY}`)
      this.#rest = pieces.pop()
      if (pieces.length) this.#rest = BOUNDARY + this.#rest
      for (const piece of pieces) if (this.#line.open) this.#load(piece.slice(piece.indexOf('\r\n\r\n') + 4))
    }
    ends_(status) {
      if (this.#rest.startsWith(BOUNDARY)) return
      this.#load(this.#rest)
      this.status = status
    }
    breaks_() {
      this.onerror?.({ type: 'error' })
    }
  }

/** The parts of an answer as they go out; the delimiter follows each at once. */
export const part = (text, first) => `${first ? `${BOUNDARY}\r\n` : '\r\n'}Content-Type: text/plain; charset=utf-8\r\n\r\n${text}\r\n${BOUNDARY}`

/** Internet Explorer 5 to 8: `responseText` throws until all has come. */
export const createMicrosoftRequest = (network) =>
  class {
    #line
    #text = ''
    #opened
    readyState = 0
    status = 0
    onreadystatechange = null
    get responseText() {
      if (this.readyState < 4) throw Error('The data necessary to complete this operation is not yet available.')
      return this.#text
    }
    open(method, url, async) {
      this.#opened = { method, url, async }
      this.#change(1)
    }
    #change(state) {
      this.readyState = state
      this.onreadystatechange?.()
    }
    setRequestHeader() {}
    getResponseHeader() {
      return null
    }
    send(body) {
      this.#line = network.request({ ...this.#opened, body }, this)
    }
    abort() {
      this.#line?.abort()
    }
    hears_(text) {
      this.#text += text
      this.#change(3)
    }
    ends_(status) {
      this.status = status
      this.#change(4)
    }
    breaks_() {
      this.ends_(12029)
    }
  }
