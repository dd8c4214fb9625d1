/** Events of the page: it is hidden and shown, offline and online, left and reloaded. */
import { now, reloadOf, sessionId } from './client.js'
import { GOING_AWAY } from './codes.js'
import { hidden, root } from './env.js'
import { close, handleTimeout, probe, retire } from './update.js'
import { transmitNow } from './uploads.js'

/** The next round of attempts begins now, if one waits. */
export const retry = (client) => {
  client.chooser_.nudge_(now(client))
  handleTimeout(client)
}

/** The page or the network has come back. */
const wake = (client) => {
  if (!hidden()) {
    probe(client)
    retry(client)
  }
}

/** The page goes. A last upload carries what is left, if there is time for it. */
const leave = (client) => {
  const reload = reloadOf(client)
  client.leaving_ = 1
  client.cancelUpload_ = 0
  const resumes = reload && reload.leave_(client.attempt_)
  if (!resumes) close(client, GOING_AWAY, '')
  if (sessionId(client)) {
    // Some browsers have cut all links by now without an event, so the upload uses a request of its own.
    client.machine_.carrier_ = { queue_: [], requests_: LEGACY && client.machine_.carrier_.requests_ }
    transmitNow(client)
  }
  client.machine_.carrier_ = 0
  if (resumes) {
    // The next page goes on with the session. For this page it is over, and no event is emitted.
    retire(client, GOING_AWAY)
    client.machine_.over_ = 1
  }
}

/** Listens to events of the page; returns the function that ends this. */
export const listen = (client) => {
  const woken = () => wake(client)
  const left = (event) => {
    // The browser may keep a page in memory and bring it back.
    if (!event.persisted) leave(client)
  }
  const each = (method) => {
    if (root[method]) {
      root[method]('online', woken, false)
      root[method]('pageshow', woken, false)
      root[method]('visibilitychange', woken, false)
      root[method]('pagehide', left, false)
    }
  }
  each('addEventListener')
  return () => each('removeEventListener')
}
