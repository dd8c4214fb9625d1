import { connect } from 'anywire'
import { exchange } from '../exchange.js'

self.onmessage = async ({ data, ports }) => {
  try {
    ports[0].postMessage({ answer: await exchange(connect(data)) })
  } catch (error) {
    ports[0].postMessage({ error: error.message })
  }
}
