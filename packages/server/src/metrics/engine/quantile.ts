/** quantile interpolates the q-quantile of the first `n` values, which it sorts. NaN counts as the smallest value. */
export function quantile(q: number, values: Float64Array, n: number): number {
  if (n === 0 || q !== q) return NaN;
  if (q < 0) return -Infinity;
  if (q > 1) return Infinity;
  sortNaNFirst(values, n);
  const rank = q * (n - 1);
  const lower = Math.max(0, Math.floor(rank));
  const upper = Math.min(n - 1, lower + 1);
  const weight = rank - Math.floor(rank);
  return values[lower]! * (1 - weight) + values[upper]! * weight;
}

function sortNaNFirst(values: Float64Array, n: number): void {
  const part = values.subarray(0, n);
  // The numeric sort of typed arrays puts NaN last.
  part.sort();
  let numbers = n;
  while (numbers > 0 && part[numbers - 1] !== part[numbers - 1]) numbers--;
  if (numbers === n) return;
  part.copyWithin(n - numbers, 0, numbers);
  part.fill(NaN, 0, n - numbers);
}
