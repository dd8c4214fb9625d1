/**
 * A reload that goes on with the session (PROTOCOL.md, section 4, "Taking over"); only in the bundle for any browser. A page that goes leaves a
 * note in `sessionStorage`, which the next one under the same address reads and deletes: what it knows of the session, and nothing of its
 * messages.
 */
import { ID, SECRET } from './session.js'
import { root } from './env.js'

const NOTE = /^[\w.-]+,[\w.-]+(,\d+){3}(,[\w.-]+)?$/
/** Ordinals in a round of the chooser. */
const ROUND = 16

/** Places in a note. The instance is that of a page that went before it had taken over: whether the server heard it, it cannot know. */
const RECEIVED = 2
const LAST = 3
const ORDINAL = 4
const INSTANCE = 5

const stored = (url, note) => {
  const key = 'anywire' + url
  try {
    const found = root.sessionStorage[key]
    if (note) root.sessionStorage[key] = note
    else root.sessionStorage.removeItem(key)
    return note || found
  } catch (e) {
    // Nothing is kept.
  }
}

/** @param wanted whether the application wants to go on after a reload */
export const createReload = (url, machine, wanted) => {
  const found = wanted && stored(url)
  let note = NOTE.test(found) && found.split(',')
  let latest = note ? +note[ORDINAL] : 0
  const older = latest - (latest % ROUND)
  if (note) {
    machine.received_ = +note[RECEIVED]
    machine.takingOver_ = 1
  }
  return {
    /** This page's name, if it was given one before. */
    instance_: note && note[INSTANCE],

    /** The id of the session that is being taken over. */
    id_: () => note && note[0],

    /** The head that takes over. */
    head_: (ordinal, instance) => ['t', 1, ordinal, instance, note[0], note[1], machine.received_],

    /** An ordinal above all of the older pages', and the last of this one so far. */
    ordinal_: (ordinal) => (latest = older + ordinal),

    /** The server does not know the session. */
    forget_() {
      note = 0
    },

    /** The session is ours: our numbers go on from here. Returns what of the older page's was lost on the way, or nothing. */
    taken_(flushes) {
      const from = machine.acked_
      const to = +note[LAST]
      note = 0
      for (const flush of flushes) flush.number_ += from
      if (from < to) return { from: from + 1, to, sent: true }
    },

    /** The page goes: whether it could leave a note. */
    leave_(instance) {
      const { params_: terms, received_: received } = machine
      if (!wanted || machine.over_ || machine.closing_ || !(note || terms[ID])) return
      const last = machine.flush_()
      return stored(url, '' + (note ? [note[0], note[1], received, +note[LAST] + last, latest, instance] : [terms[ID], terms[SECRET], received, last, latest]))
    }
  }
}
