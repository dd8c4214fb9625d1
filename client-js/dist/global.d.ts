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
    type EventMap = client.EventMap
    type EventsOf<M> = client.EventsOf<M>
    type Fault = client.Fault
    type Reply<V = any> = client.Reply<V>
    type Heard<E extends (...values: any[]) => any> = client.Heard<E>
    type UnreceivedEvent = client.UnreceivedEvent
    type Requests<S extends EventsOf<S> = EventMap> = client.Requests<S>
    type Emits<S extends EventsOf<S> = EventMap> = client.Emits<S>
    type ChannelEvents = client.ChannelEvents
    type Channel<R extends EventsOf<R> = EventMap, S extends EventsOf<S> = EventMap> = client.Channel<R, S>
    type Session<R extends EventsOf<R> = EventMap, S extends EventsOf<S> = EventMap> = client.Session<R, S>
  }
}
