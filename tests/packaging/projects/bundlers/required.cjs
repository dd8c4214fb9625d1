const { connect } = require('anywire')
const { exchange } = require('../exchange.js')

self.exchange = (url) => exchange(connect(url))
