/** Returns a new list: `list` without `item`. */
export const without = (list, item) => {
  const kept = []
  for (const one of list || kept) if (one !== item) kept.push(one)
  return kept
}

/** Whether a list has this item. */
export const contains = (list, item) => {
  for (const one of list) if (one === item) return 1
}
