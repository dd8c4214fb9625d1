import type * as client from './anywire'

declare global {
  var anywire: typeof client
  namespace anywire {
    type Transport = client.Transport
    type Uplink = client.Uplink
    type State = client.State
    type Message = client.Message
    type Auth = client.Auth
    type Options = client.Options
    type Attempt = client.Attempt
    type ConnectError = client.ConnectError
    type SessionError = client.SessionError
    type Opened = client.Opened
    type Resumed = client.Resumed
    type Closed = client.Closed
    type Gap = client.Gap
    type Events = client.Events
    type Session = client.Session
  }
}
