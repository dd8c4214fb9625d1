/** Calls `act` with each item. */
export const each = (list, act) => {
  for (let at = 0; at < list.length; at++) act(list[at])
}

/** Returns a new list: `list` without `item`. */
export const without = (list, item) => {
  const kept = []
  each(list || kept, (one) => one === item || kept.push(one))
  return kept
}

/** Whether a list has this item. */
export const contains = (list, item) => {
  for (const one of list) if (one === item) return 1
}
