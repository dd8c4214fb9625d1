/** The fallback transports alone, for the fakes. */
import { eventSource } from '../../src/transports/eventsource.js'
import { formPost } from '../../src/transports/form.js'
import { htmlfile, iframe } from '../../src/transports/frame.js'
import { jsonp } from '../../src/transports/jsonp.js'
import { multipart } from '../../src/transports/multipart.js'
import { xdr } from '../../src/transports/xdr.js'
import { request as xhr } from '../../src/transports/xhr.js'

export default { eventSource, formPost, htmlfile, iframe, jsonp, multipart, xdr, xhr }
