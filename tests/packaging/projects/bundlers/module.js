import { connect } from 'anywire'
import { exchange } from '../exchange.js'

self.exchange = (url) => exchange(connect(url))
