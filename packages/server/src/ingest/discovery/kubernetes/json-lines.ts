const NEWLINE = 10;

/**
 * jsonLines yields the values of a body that has one JSON value per line. Throws when a line is no JSON or longer than
 * `maxLineBytes`; the body is then left. A line is put together once, when its end is there, so that a long one that
 * comes in many pieces does not cost the square of its length.
 */
export async function* jsonLines(body: AsyncIterable<Uint8Array>, maxLineBytes: number): AsyncGenerator {
  let pieces: Uint8Array[] = [];
  let length = 0;
  const add = (piece: Uint8Array): void => {
    length += piece.length;
    if (length > maxLineBytes) throw new Error(`a line of the answer is longer than ${maxLineBytes} bytes`);
    pieces.push(piece);
  };
  const take = (): unknown => {
    const text = Buffer.concat(pieces, length).toString("utf8").trim();
    pieces = [];
    length = 0;
    return text === "" ? undefined : JSON.parse(text);
  };
  for await (const chunk of body) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      add(chunk.subarray(start, end));
      start = end + 1;
      const value = take();
      if (value !== undefined) yield value;
    }
    if (start < chunk.length) add(chunk.subarray(start));
  }
  const last = take();
  if (last !== undefined) yield last;
}
