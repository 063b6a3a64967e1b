// A minimal writer of protobuf messages, for tests: every function returns the bytes of one field.

const varint = (value: number): number[] => {
  const out: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  while (rest > 127n) {
    out.push(Number(rest & 127n) | 128);
    rest >>= 7n;
  }
  out.push(Number(rest));
  return out;
};
export const int = (field: number, value: number): number[] => [...varint(field * 8), ...varint(value)];
export const zigzag = (value: number): number => (value < 0 ? -2 * value - 1 : 2 * value);
export const double = (field: number, value: number): number[] => {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setFloat64(0, value, true);
  return [...varint(field * 8 + 1), ...bytes];
};
export const message = (field: number, ...parts: number[][]): number[] => {
  const body = parts.flat();
  return [...varint(field * 8 + 2), ...varint(body.length), ...body];
};
export const text = (field: number, value: string): number[] => message(field, [...Buffer.from(value)]);
export const packed = (field: number, ...values: number[]): number[] => message(field, values.flatMap(varint));
export const family = (name: string, type: number, ...rest: number[][]): number[] => {
  const body = [text(1, name), text(2, "Some help."), int(3, type), ...rest].flat();
  return [...varint(body.length), ...body];
};
export const label = (name: string, value: string): number[] => message(1, text(1, name), text(2, value));
export const time = (field: number, seconds: number, nanos: number): number[] =>
  message(field, int(1, seconds), int(2, nanos));
export const span = (field: number, offset: number, length: number): number[] =>
  message(field, int(1, zigzag(offset)), int(2, length));
