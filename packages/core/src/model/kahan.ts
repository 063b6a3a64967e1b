// Kahan summation with Neumaier's improvement: a sum is kept as two numbers, the sum and the error it has
// accumulated, and is `sum + error` at the end. A step is
//
//   error = kahanError(increment, sum, error);
//   sum += increment;

/** kahanError is the error term after adding `increment` to `sum`, whose error term is `error`. */
export function kahanError(increment: number, sum: number, error: number): number {
  const total = sum + increment;
  if (total === Infinity || total === -Infinity) return 0;
  if (Math.abs(sum) >= Math.abs(increment)) return error + (sum - total + increment);
  return error + (increment - total + sum);
}
