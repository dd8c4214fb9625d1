/**
 * A reload that goes on with the session (PROTOCOL.md, section 4, "Taking over"); only in the bundle for old
 * browsers. A page that goes leaves a note in `sessionStorage`, which the next page with the same address
 * reads and deletes. It holds what the page knows of the session, and none of its messages.
 */
import { ID, SECRET } from './grant.js'
import { root } from './env.js'
import { each } from './list.js'

/**
 * `id,secret,received,last,ordinal,instance`. `last` is the number of the last message that the page sent.
 * The instance is there if that page itself had not taken over yet: it cannot know whether its request
 * arrived, so it passes its own name on.
 */
const NOTE = /^([\w.-]+),([\w.-]+),(\d+),(\d+),(\d+)(?:,([\w.-]+))?$/
/** Their places in the match. */
const OLD_ID = 1
const OLD_SECRET = 2
const RECEIVED = 3
const LAST = 4
const ORDINAL = 5
const INSTANCE = 6
/** Ordinals in a round of the chooser. */
const ROUND = 16

/** Removes the note, or stores this one; returns the note that is or was there. */
const exchange = (url, note) => {
  const key = 'anywire' + url
  try {
    const found = root.sessionStorage[key]
    if (note) root.sessionStorage[key] = note
    else root.sessionStorage.removeItem(key)
    return note || found
  } catch (e) {
    // The page may have no storage.
  }
}

/** @param wanted whether the application wants to go on after a reload */
export const createReload = (url, machine, wanted) => {
  /** The older page's note, until its session is taken over or lost. */
  let note = wanted && NOTE.exec(exchange(url))
  let latest = note ? +note[ORDINAL] : 0
  const older = latest - (latest % ROUND)
  if (note) {
    machine.received_ = +note[RECEIVED]
    machine.takingOver_ = 1
  }
  return {
    /** The name of this page, if the note gives it one. */
    instance_: note && note[INSTANCE],

    /** The id of the session that is being taken over. */
    id_: () => note && note[OLD_ID],

    /** The head record that takes over. */
    head_: (ordinal, instance) => ['t', 1, ordinal, instance, note[OLD_ID], note[OLD_SECRET], machine.received_],

    /** An ordinal above those of all older pages. */
    ordinal_: (ordinal) => (latest = older + ordinal),

    /** The server does not know the session. */
    forget_() {
      note = 0
    },

    /**
     * The session is ours, and our numbers go on from here. Returns which messages of the older page were
     * lost, if any.
     */
    takenOver_(flushes) {
      const from = machine.acked_
      const to = +note[LAST]
      note = 0
      each(flushes, (flush) => (flush.number_ += from))
      if (from < to) return { from: from + 1, to, sent: true }
    },

    /** The page goes: returns whether the next page can go on with the session. */
    leave_(instance) {
      if (!wanted || machine.over_ || machine.closing_ || !(note || machine.params_[ID])) return
      machine.flush_()
      const last = machine.acked_ + machine.unacknowledged_
      const fields = note
        ? [note[OLD_ID], note[OLD_SECRET], machine.received_, +note[LAST] + last, latest, instance]
        : [machine.params_[ID], machine.params_[SECRET], machine.received_, last, latest]
      return exchange(url, fields.join(','))
    }
  }
}
