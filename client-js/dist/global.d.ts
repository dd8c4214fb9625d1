import type * as client from './anywire'

declare global {
  var anywire: typeof client
  namespace anywire {
    type Transport = client.Transport
    type Uplink = client.Uplink
    type State = client.State
    type Message = client.Message
    type Options = client.Options
    type Attempt = client.Attempt
    type Closed = client.Closed
    type Gap = client.Gap
    type Events = client.Events
    type Session = client.Session
  }
}
