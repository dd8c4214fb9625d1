// Blows: faults that hit the connection that carries the session at the moment.

const FOREVER = 3_600_000
const CARRIERS = ['websocket', 'stream', 'poll']

export const BLOWS = {
  /** Both ends notice at once. */
  reset: (proxy, carrier) => now(proxy, carrier, (connection) => connection.cut('rst')),
  end: (proxy, carrier) => now(proxy, carrier, (connection) => connection.cut('fin')),
  /** The server notices later than the page: its old link still looks alive when the new one comes. */
  'half-dead': (proxy, carrier) => now(proxy, carrier, (connection) => connection.cut('rst', { lag: proxy.random.between(100, 1500) })),
  /** No end notices: bytes vanish, and only the heartbeat can find out. */
  vanish: (proxy, carrier) => now(proxy, carrier, (connection) => connection.stall(FOREVER)),
  'middle-down': (proxy) => midway(proxy, 'down', CARRIERS),
  /** A cut on the way up: of a WebSocket, of an attach, or of an upload, whose link then goes on. */
  'middle-up': (proxy) => midway(proxy, 'up', ['websocket', 'poll', 'stream', 'send'])
}

/**
 * Hits a random connection that could carry a session, preferably of the kind that does; waits until there is
 * one.
 */
function now(proxy, carrier, hit) {
  return new Promise((resolve) => {
    const attempt = () => {
      const live = proxy.live(...CARRIERS).filter((connection) => !connection.stalled)
      if (live.length === 0) return
      const carrying = live.filter((connection) => connection.kind === carrier)
      const connection = proxy.random.pick(carrying.length > 0 ? carrying : live)
      const { kind, id } = connection
      hit(connection)
      proxy.off('request', attempt)
      resolve({ kind, id })
    }
    proxy.on('request', attempt)
    attempt()
  })
}

/**
 * Arms every present and future connection; the first whose frame, chunk or body passes is cut in the middle
 * of it.
 */
function midway(proxy, way, kinds) {
  return new Promise((resolve) => {
    const how = proxy.random.pick(['rst', 'fin'])
    const disarm = new Map()
    const arm = (connection) => {
      const fired = () => {
        proxy.off('connection', arm)
        for (const off of disarm.values()) off()
        resolve({ kind: connection.kind, id: connection.id })
      }
      disarm.set(connection.id, connection.arm(way, how, fired, kinds))
    }
    proxy.on('connection', arm)
    for (const connection of proxy.live()) arm(connection)
  })
}

export class Chaos {
  #proxy
  constructor(proxy) {
    this.#proxy = proxy
  }

  /**
   * Strikes once with `blow` or a random one, preferably at the kind of connection that carries now; resolves
   * with `{ blow, kind, id }` when it has hit.
   */
  async strike(blow = this.#proxy.random.pick(Object.keys(BLOWS)), carrier = null) {
    return { blow, ...(await BLOWS[blow](this.#proxy, carrier)) }
  }
}
