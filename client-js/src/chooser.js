/**
 * Which transport to try, and when. Pure: time, chance and what is known come in as arguments.
 *
 * There are two kinds of link, HTTP (1) and WebSocket (2). Each round gives the better kind the higher ordinal, so that in a race it
 * takes over when it proves itself. What to do it tells by `act`: `(kind, ordinal)`, try this, or `(0)`, make ready and call `begin`.
 *
 * A link over HTTP is a sequence of turns, each of which may be a stream or a poll; there may be several ways to do either.
 */
export const HTTP = 1
export const WEBSOCKET = 2
/** How a stream went: well, it ended before it was of use, or something on the way holds it back. */
export const STREAM_GOOD = 0
export const STREAM_USELESS = 1
export const STREAM_HELD = 2
/** Remembered besides the kind: streams were kept back. */
const HELD = 4

const NEVER = Infinity
/** The second kind starts so much later: when the first is known to be good, and when nothing is known. */
const RACE_KNOWN = 1000
const RACE = 250
/** When a WebSocket, or a stream, is tried again under a session that does without. */
const STEPS = [5000, 30000]
const LAST_STEP = 300000
const BACKOFF = 300
const BACKOFF_MAX = 20000
/** A link that lived so long was useful. */
const LIVED = 10000
/** So many WebSockets in succession that were proven and did not live for that long make HTTP the better one. */
const BRIEF = 3

/**
 * A link is told by `duplex_`, `confirmed_` and `useful_`.
 *
 * @param allowed the sum of the kinds that may be used
 * @param known what `remember` was told last, or 0
 * @param remember told what a later page should try first
 * @param streams how many ways to stream there are
 */
export const createChooser = (allowed, known, random, remember, act, streams) => {
  let round = 0
  /** The kinds under way, and the link that carries. */
  let trying = 0
  let carrier
  let delay = BACKOFF
  /** One thing is planned at a time: to try a kind, or with 0 to begin a round. */
  let at = NEVER
  let plan = 0
  let step = 0
  let since = 0
  let brief = 0
  let stream = 0
  let streamAt = known < HELD ? 0 : STEPS[0]
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

  const keep = (kind) => {
    known = kind
    remember(kind + (streamStep && HELD))
  }

  return {
    begin_(now) {
      const first = known & allowed || allowed & WEBSOCKET || HTTP
      round++
      plan = 3 - first
      at = allowed > WEBSOCKET ? now + (known & 3 ? RACE_KNOWN : RACE) : NEVER
      attempt(first)
    },

    /** A link is proven and carries. */
    confirmed_(now, link) {
      carrier = link
      since = now
      trying &= ~(link.duplex_ + HTTP)
      at = NEVER
      if (link.duplex_) keep(WEBSOCKET)
      else if (!(trying & WEBSOCKET)) upgradeLater(now)
    },

    /**
     * An attempt failed, or a proven link ended. Only if it was useful, because it carried something beyond its start or lived long,
     * does the backoff start afresh. `wait`: what must pass at least.
     */
    ended_(now, link, wait) {
      trying &= ~(link.duplex_ + HTTP)
      const lived = link === carrier && now - since > LIVED
      if (lived || link.useful_) delay = BACKOFF
      if (link === carrier) {
        carrier = 0
        if (link.duplex_) {
          if (lived) step = brief = 0
          else if (++brief >= BRIEF && allowed & HTTP) {
            keep(HTTP)
            step++
          }
        }
      }
      if (carrier) {
        if (link.duplex_ && !link.confirmed_) {
          // HTTP works where a WebSocket does not, at the same time: this is no outage.
          keep(HTTP)
          upgradeLater(now)
          step++
        }
      } else if (!link.confirmed_ && plan && at < NEVER) at = now
      else if (!trying) {
        plan = 0
        at = now + (wait || 0) + random() * delay
        delay = Math.min(delay * 2, BACKOFF_MAX)
      } else if (link.confirmed_) {
        // A WebSocket was being tried when the carrier went: HTTP gets its chance too.
        plan = HTTP
        round++
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

    /** The way in which the next turn over HTTP should stream, counted from 1; 0: it should not. */
    stream_: (now) => (now < streamAt ? 0 : streams && 1 + (stream % streams)),

    /**
     * A stream ended. What the browser cannot do it does in another way; what the path does not let through must wait, whatever
     * the way.
     */
    streamed_(now, verdict) {
      if (verdict === STREAM_GOOD) streamsCut = streamStep = 0
      streamsCut += verdict
      if (streamsCut < 2) return
      streamsCut = 0
      stream++
      if (stream % streams === 0 || verdict === STREAM_HELD) {
        streamAt = now + (STEPS[streamStep] || LAST_STEP)
        streamStep++
        keep(known & 3)
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
