/**
 * Which transport to try, and when. Pure: time, random numbers and what is remembered are arguments.
 *
 * There are two kinds of link, HTTP (1) and WebSocket (2). Each round gives the better kind the higher
 * ordinal, so that in a race it takes over as soon as it is confirmed. The chooser calls `act(kind, ordinal)`
 * to try a kind, and `act(0)` before a round: the caller gets ready and calls `begin`.
 *
 * A link over HTTP is a sequence of turns, each a stream or a poll; there may be several ways to stream.
 */
export const HTTP = 1
export const WEBSOCKET = 2
/** How a stream went: well; it ended before it was of use; something on the path holds it back. */
export const STREAM_GOOD = 0
export const STREAM_USELESS = 1
export const STREAM_HELD = 2
/** This is remembered besides the kind when streams were held back. */
const HELD = 4

const NEVER = Infinity
const LONG = 1e9
/** The second kind starts after this time: if the first is known to work, and if nothing is known. */
const RACE_KNOWN = 1000
const RACE = 250
/** When a WebSocket or a stream is tried again while a session does without it. */
const STEPS = [5000, 30000]
const LAST_STEP = 300000
/** A link that carried for this long was useful. */
const LONG_LIVED = 10000
/** The first round after a useful link begins within this time, unless the server names another. */
const SPREAD = 100
/**
 * A link that was useful makes up for this many times the time for which it carried, and any other for four
 * times. One that breaks at once each time is so not made again without a pause.
 */
const AMENDS = 100
/** This many WebSockets in succession that were confirmed but not long-lived make HTTP the better kind. */
const BRIEF = 3

const kindOf = (link) => (link.duplex_ ? WEBSOCKET : HTTP)

/**
 * The chooser reads `duplex_`, `confirmed_` and `useful_` of a link.
 *
 * @param allowed the sum of the kinds that may be used
 * @param known the last argument of `remember`, perhaps on an earlier page, or 0
 * @param remember keeps what a later page should try first
 * @param streams how many ways to stream there are
 * @param backoff the shortest and the longest wait between two rounds: `first` and `max`
 */
export const createChooser = (allowed, known, random, remember, act, streams, backoff) => {
  let round = 0
  /** The sum of the kinds that are being tried. */
  let trying = 0
  let carrier
  /** Since when it carries. */
  let since = 0
  /** The carrier still serves, but another link is to take its place. */
  let leaving
  /** Since when there has been no link that was of use. */
  let away = 0
  /** One thing is planned at a time, for this time: to try a kind, or with 0 to begin a round. */
  let at = NEVER
  let plan = 0
  /** How often a WebSocket was tried in vain, and how many in succession were brief. */
  let step = 0
  let brief = 0
  /** A WebSocket works, but cannot open the session: it follows at once when HTTP has. */
  let doubted = 0
  /** The way to stream that is used next, when, and how often streams were held back. */
  let stream = 0
  let streamAt = known < HELD ? 0 : STEPS[0]
  let streamStep = 0
  /** How bad the last streams were, by the sum of their verdicts. */
  let badness = 0

  const settled = () => carrier && !leaving

  const attempt = (kind) => {
    if (kind & allowed & ~trying) {
      trying += kind
      act(kind, round * 16 + kind)
    }
  }

  const upgradeLater = (now) => {
    plan = WEBSOCKET
    at = now + (doubted ? 0 : STEPS[step] || LAST_STEP)
    doubted = 0
  }

  const prefer = (kind) => {
    known = kind
    remember(kind + (streamStep && HELD))
  }

  /** The link that carried has ended. */
  const carrierEnded = (link, longLived) => {
    carrier = 0
    if (!link.duplex_) return
    if (longLived) {
      step = brief = 0
      return
    }
    brief++
    if (brief >= BRIEF && allowed & HTTP) {
      prefer(HTTP)
      step++
    }
  }

  return {
    /** `alone`: there is no race. The second kind waits until the first has failed. */
    begin_(now, alone) {
      const first = (alone ? HTTP : known) & allowed || allowed & WEBSOCKET || HTTP
      round++
      plan = HTTP + WEBSOCKET - first
      at = allowed > WEBSOCKET ? now + (alone ? LONG : known & 3 ? RACE_KNOWN : RACE) : NEVER
      attempt(first)
    },

    /** A link is confirmed, and carries. */
    confirmed_(now, link) {
      carrier = link
      since = now
      leaving = 0
      trying &= ~kindOf(link)
      at = NEVER
      if (link.duplex_) prefer(WEBSOCKET)
      else if (!(trying & WEBSOCKET)) upgradeLater(now)
    },

    /**
     * An attempt failed, or a confirmed link ended. After a link that was useful, because it carried something
     * beyond its start or carried for long, the next round begins within `spread`. Later rounds wait in
     * proportion to the time that has passed since. No round begins within `wait`.
     * Returns whether the round is over and nothing carries.
     */
    ended_(now, link, wait, spread = SPREAD) {
      const lived = link === carrier && now - since
      const longLived = lived > LONG_LIVED
      trying &= ~kindOf(link)
      if (link.doubted_) doubted = 1
      away = longLived ? now : Math.min(now, away + lived * (link.useful_ ? AMENDS : 4))
      if (link === carrier) carrierEnded(link, longLived)
      if (settled()) {
        if (link.duplex_ && !link.confirmed_ && !carrier.duplex_) {
          // HTTP works where a WebSocket does not, at the same time: this is no outage.
          prefer(HTTP)
          upgradeLater(now)
          step++
        }
      } else if (!link.confirmed_ && plan && at < NEVER) at = now
      else if (!trying) {
        plan = 0
        at = now + wait
        if (lived && away === now) at += random() * spread
        else at += (0.5 + random() / 2) * Math.min(Math.max((now - away) / 4, backoff.first), backoff.max)
        return 1
      } else if (link.confirmed_) {
        // A WebSocket was being tried when the carrier ended: HTTP gets its chance too.
        plan = HTTP
        round++
        at = now + RACE
      }
    },

    /** The network or the page came back: the next round begins at once. */
    nudge_(now) {
      if (at < NEVER && !plan) at = now
    },

    /** The carrier will go or may be dead: a round begins after `pause`. The carrier serves until then. */
    goAway_(now, pause) {
      leaving = 1
      plan = 0
      away = at = now + pause
    },

    /** The carrier is not dead after all. */
    stay_() {
      leaving = 0
      at = NEVER
    },

    /** When the next round begins; 0 if none is planned. */
    nextRound_: () => (plan || at === NEVER ? 0 : at),

    /** The way in which the next turn over HTTP should stream, counted from 1; 0 for a poll. */
    stream_: (now) => (now < streamAt ? 0 : streams && (LEGACY ? 1 + (stream % streams) : 1)),

    /**
     * A stream ended. If the browser cannot stream in one way, another is tried. If the path holds streams
     * back, all ways have to wait.
     */
    streamed_(now, verdict) {
      if (verdict === STREAM_GOOD) badness = streamStep = 0
      badness += verdict
      if (badness < 2) return
      badness = 0
      stream++
      // Current browsers have one way to stream.
      if (!LEGACY || stream % streams === 0 || verdict === STREAM_HELD) {
        streamAt = now + (STEPS[streamStep] || LAST_STEP)
        streamStep++
        prefer(known & 3)
      }
    },

    handleTimeout_(now) {
      if (now < at) return
      at = NEVER
      if (plan) {
        if (settled()) round++
        attempt(plan)
      } else act(0)
    },

    pollTimeout_: () => at
  }
}
