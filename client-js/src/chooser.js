/**
 * Which transport to try, and when. Pure: time, chance and what is known come in as arguments.
 *
 * There are two kinds of link, HTTP (1) and WebSocket (2). Each round gives the better kind the higher ordinal, so that in a race it
 * takes over when it proves itself. What to do it tells by `act`: `(kind, ordinal)`, try this, or `(0)`, make ready and call `begin`.
 */
export const HTTP = 1
export const WEBSOCKET = 2

const NEVER = Infinity
/** The second kind starts so much later: when the first is known to be good, and when nothing is known. */
const RACE_KNOWN = 1000
const RACE = 250
/** When a WebSocket, or a stream, is tried again under a session that does without. */
const STEPS = [5000, 30000]
const LAST_STEP = 300000
const BACKOFF = 300
const BACKOFF_MAX = 20000

/**
 * A link is told by `duplex_`, `proven_` and `useful_`.
 *
 * @param allowed the sum of the kinds that may be used
 * @param known the kind that worked last, or 0
 * @param remember told the kind that a later page should try first
 */
export const createChooser = (allowed, known, random, remember, act) => {
  let round = 0
  /** The kinds under way, and the link that carries. */
  let trying = 0
  let carrier
  let delay = BACKOFF
  /** One thing is planned at a time: to try a kind, or with 0 to begin a round. */
  let at = NEVER
  let plan = 0
  let step = 0
  let streamAt = 0
  let streamStep = 0
  let streamsCut = 0

  const attempt = (kind) => {
    if (kind & allowed & ~trying) {
      trying += kind
      act(kind, round * 16 + kind)
    }
  }

  const upgradeLater = (now) => {
    plan = WEBSOCKET
    at = now + (STEPS[step] || LAST_STEP)
  }

  return {
    begin_(now) {
      const first = known & allowed || allowed & WEBSOCKET || HTTP
      round++
      plan = 3 - first
      at = allowed > WEBSOCKET ? now + (known ? RACE_KNOWN : RACE) : NEVER
      attempt(first)
    },

    /** A link is proven and carries. */
    proven_(now, link) {
      carrier = link
      trying &= ~(link.duplex_ + HTTP)
      at = NEVER
      if (link.duplex_) {
        step = 0
        remember((known = WEBSOCKET))
      } else if (!(trying & WEBSOCKET)) upgradeLater(now)
    },

    /**
     * An attempt failed, or a proven link ended. Only if it was useful, because it carried something beyond its start or lived long,
     * does the backoff start afresh. `wait`: what must pass at least.
     */
    ended_(now, link, wait) {
      trying &= ~(link.duplex_ + HTTP)
      if (link.useful_) delay = BACKOFF
      if (link === carrier) carrier = 0
      if (carrier) {
        if (link.duplex_ && !link.proven_) {
          // HTTP works where a WebSocket does not, at the same time: this is no outage.
          remember((known = HTTP))
          upgradeLater(now)
          step++
        }
      } else if (!link.proven_ && plan && at < NEVER) at = now
      else if (!trying) {
        plan = 0
        at = now + wait + random() * delay
        delay = Math.min(delay * 2, BACKOFF_MAX)
      } else if (link.proven_) {
        // A WebSocket was being tried when the carrier went: HTTP gets its chance too.
        plan = HTTP
        at = now + RACE
      }
    },

    /** The network or the page came back: no need to wait. */
    nudge_(now) {
      if (at < NEVER && !plan) at = now
    },

    /** The server goes away: a new link after `pause`, as if there were none; this one serves until then. */
    leave_(now, pause) {
      carrier = plan = 0
      at = now + pause
    },

    /** Whether the next turn over HTTP should be a stream. */
    streams_: (now) => now >= streamAt,

    /** A stream ended: well (0), before it was of use (1), or something on the way keeps it back (2). */
    streamed_(now, bad) {
      streamsCut = bad && streamsCut + bad
      if (streamsCut > 1) {
        streamsCut = 0
        streamAt = now + (STEPS[++streamStep] || LAST_STEP)
      }
    },

    handleTimeout_(now) {
      if (now < at) return
      at = NEVER
      if (plan) {
        if (carrier) round++
        attempt(plan)
      } else act(0)
    },

    pollTimeout_: () => at
  }
}
