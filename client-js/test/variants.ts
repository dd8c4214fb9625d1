// Written by `anywire::Contract` from the server's types. Changes here are lost.

export type In = "ping" | { "say": string } | { "move-to": [number, number] } | { "draw": { shape: Shape, } } | { "tags": Array<string> } | { "find": string | null };

export type Place = { x: number, y: number, };

export type Shape = { "kind": "circle", "of": { radius: number, } } | { "kind": "free-hand", "of": Array<Place> } | { "kind": "nothing" };

/** The event that is the variant `N` of an enum. */
export type Variant<E, N extends string> = (
  ...values: N extends E ? [] : Extract<E, { [K in N]: unknown }> extends { [K in N]: infer V }
    ? [V] extends [[unknown, unknown, ...unknown[]]] ? V : [V]
    : never
) => void

/** The events that the server sends: `connect<ServerEvents, ClientEvents>(url)`. */
export interface ServerEvents {
  n: (data: number) => void
  ping: Variant<In, "ping">
  say: Variant<In, "say">
  "move-to": Variant<In, "move-to">
  draw: Variant<In, "draw">
  tags: Variant<In, "tags">
  find: Variant<In, "find">
}

/** The events that the client sends: `connect<ServerEvents, ClientEvents>(url)`. */
export interface ClientEvents {
  ping: Variant<In, "ping">
  say: Variant<In, "say">
  "move-to": Variant<In, "move-to">
  draw: Variant<In, "draw">
  tags: Variant<In, "tags">
  find: Variant<In, "find">
}
