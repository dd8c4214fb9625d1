import 'anywire/global'
import { exchange } from '../exchange.js'

self.exchange = (url) => exchange(self.anywire.connect(url))
