/** Returns a new list: `list` without `item`. */
export const without = (list, item) => {
  const kept = []
  for (const one of list || kept) if (one !== item) kept.push(one)
  return kept
}
