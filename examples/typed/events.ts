// Written by `anywire::Contract` from the server's types. Changes here are lost.

export type Picture = { task: number, data: ArrayBuffer, };

export type State = { "kind": "open" } | { "kind": "in-progress", by: string, } | { "kind": "done", by: string, };

/**
 * A task of the list. Its picture is sent apart.
 */
export type Task = { id: number, title: string, state: State, 
/**
 * In days from the first of January 1970 on.
 */
dueDay: number | null, };

/** The events that the server sends: `connect<ServerEvents, ClientEvents>(url)`. */
export interface ServerEvents {
  changed: (data: Task) => void
  "picture of a task": (data: Picture) => void
  "sure?": (data: string) => boolean
}

/** The events that the client sends: `connect<ServerEvents, ClientEvents>(url)`. */
export interface ClientEvents {
  list: () => Array<Task>
  add: (a: string, b?: number | null) => Task
  move: (a: number, b: State) => void
  draw: (a: number, b: ArrayBuffer | ArrayBufferView) => void
}
