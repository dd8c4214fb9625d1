// Our own middlebox: the fault proxy, with faults of connections and requests, before a relay, which shapes
// bodies.
//
//   const box = await Middlebox.listen({ target: 3000, gzip: true })
//   box.faults.rule('websocket', 'silence')      every fault of the fault proxy
//   box.relay.become('hold')                     from now on, also for answers under way

import { FaultProxy } from '../fault-proxy.mjs'
import { Relay } from './relay.mjs'

export class Middlebox {
  static async listen({ target, ...shape }) {
    const relay = await Relay.listen({ target, ...shape })
    return new Middlebox(relay, await FaultProxy.listen({ target: relay.port, seed: 1 }))
  }

  constructor(relay, faults) {
    this.relay = relay
    this.faults = faults
  }

  get port() {
    return this.faults.port
  }

  /** A gateway that is down until `requests` have been answered 502. */
  outage(requests) {
    this.faults.rule('*', 'bad-gateway', { times: requests })
  }

  async close() {
    await this.faults.close()
    await this.relay.close()
  }
}
