import { Entry, type ExpositionParser } from "./parser.ts";

/** readEntries reads a body to its end and lists what it says, one line per entry; for tests. Throws ExpositionError. */
export function readEntries(parser: ExpositionParser, body: Uint8Array, startTimes = false): string[] {
  const out: string[] = [];
  parser.load(body, body.length);
  for (;;) {
    const entry = parser.next();
    switch (entry) {
      case Entry.End:
        return out;
      case Entry.Help:
        out.push(`help ${parser.family}: ${parser.text}`);
        break;
      case Entry.Type:
        out.push(`type ${parser.family}: ${parser.type}`);
        break;
      case Entry.Unit:
        out.push(`unit ${parser.family}: ${parser.text}`);
        break;
      case Entry.Comment:
        break;
      default: {
        const value = entry === Entry.Histogram ? `histogram ${parser.histogram?.count}` : parser.value;
        let line = `${parser.labels().toString()} ${value}`;
        if (parser.hasTime) line += ` @${parser.timeMs}`;
        const startMs = startTimes ? parser.startMs() : 0;
        if (startMs !== 0) line += ` since ${startMs}`;
        for (let one = parser.exemplar(); one !== undefined; one = parser.exemplar()) {
          line += ` # ${one.labels.toString()} ${one.value}${one.hasTime ? ` @${one.timeMs}` : ""}`;
        }
        out.push(line);
      }
    }
  }
}
