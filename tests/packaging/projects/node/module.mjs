import { connect } from 'anywire'
import 'anywire/global'
import { exchange } from '../exchange.js'

console.log(await exchange(connect(process.argv[2])), typeof globalThis.anywire.connect)
