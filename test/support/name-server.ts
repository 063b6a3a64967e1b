// A name server over UDP that a test tells what to answer.
import { createSocket, type RemoteInfo, type Socket } from "node:dgram";

/** RECORD_TYPES are the types it knows, with their numbers on the wire. */
const RECORD_TYPES = { A: 1, NS: 2, CNAME: 5, MX: 15, AAAA: 28, SRV: 33 } as const;

/** NameRecord is one record of an answer, its data as text: `10.0.0.1`, `::1`, `10 mx.`, `0 5 8080 host.`, `ns.`. */
export interface NameRecord {
  type: keyof typeof RECORD_TYPES;
  data: string;
  /** name is the owner; by default the name that was asked for. */
  name?: string;
}

/** NameAnswer is what is answered: records, perhaps none; a code such as NXDOMAIN; or nothing at all. */
export type NameAnswer = readonly NameRecord[] | "NXDOMAIN" | "SERVFAIL" | "REFUSED" | "silence";

const CODES = { SERVFAIL: 2, NXDOMAIN: 3, REFUSED: 5 } as const;

/** NameServer is started with `listen` and ended with `close`. */
export class NameServer {
  /** answer is asked for every question. */
  answer: (name: string, type: string) => NameAnswer = () => "NXDOMAIN";
  /** questions lists what was asked: `name type`. */
  readonly questions: string[] = [];
  private readonly socket: Socket = createSocket("udp4");

  /** listen returns address:port. */
  async listen(): Promise<string> {
    this.socket.on("message", (message, from) => this.reply(message, from));
    await new Promise<void>((resolve) => this.socket.bind(0, "127.0.0.1", resolve));
    return `127.0.0.1:${this.socket.address().port}`;
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => this.socket.close(() => resolve()));
  }

  private reply(message: Buffer, from: RemoteInfo): void {
    const labels: string[] = [];
    let at = 12;
    for (let length = message[at]; length > 0; length = message[at]) {
      labels.push(message.toString("latin1", at + 1, at + 1 + length));
      at += length + 1;
    }
    const name = `${labels.join(".")}.`;
    const number = message.readUInt16BE(at + 1);
    const type = Object.entries(RECORD_TYPES).find(([, value]) => value === number)?.[0] ?? String(number);
    this.questions.push(`${name} ${type}`);
    const answer = this.answer(name, type);
    if (answer === "silence") return;
    const records = typeof answer === "string" ? [] : answer;
    const header = Buffer.alloc(12);
    message.copy(header, 0, 0, 2);
    header.writeUInt16BE(0x8180 | (typeof answer === "string" ? CODES[answer] : 0), 2);
    header.writeUInt16BE(1, 4);
    header.writeUInt16BE(records.length, 6);
    const question = message.subarray(12, at + 5);
    this.socket.send(
      Buffer.concat([header, question, ...records.map((record) => encodeRecord(record, name))]),
      from.port,
      from.address,
    );
  }
}

function encodeRecord({ type, data, name }: NameRecord, asked: string): Buffer {
  const owner = encodeName(name ?? asked);
  const content = encodeData(type, data);
  const fixed = Buffer.alloc(10);
  fixed.writeUInt16BE(RECORD_TYPES[type], 0);
  fixed.writeUInt16BE(1, 2);
  fixed.writeUInt32BE(60, 4);
  fixed.writeUInt16BE(content.length, 8);
  return Buffer.concat([owner, fixed, content]);
}

function encodeData(type: NameRecord["type"], data: string): Buffer {
  const words = data.split(" ");
  switch (type) {
    case "A":
      return Buffer.from(data.split(".").map(Number));
    case "AAAA": {
      // Only addresses with all groups, or ending in ::n, are written in tests.
      const [front = "", back] = data.split("::");
      const groups = front === "" ? [] : front.split(":");
      const tail = back === undefined || back === "" ? [] : back.split(":");
      const all = [...groups, ...Array<string>(8 - groups.length - tail.length).fill("0"), ...tail];
      return Buffer.from(all.flatMap((group) => [parseInt(group, 16) >> 8, parseInt(group, 16) & 255]));
    }
    case "MX":
    case "SRV": {
      const numbers = Buffer.alloc(2 * (words.length - 1));
      words.slice(0, -1).forEach((word, i) => numbers.writeUInt16BE(Number(word), 2 * i));
      return Buffer.concat([numbers, encodeName(words.at(-1)!)]);
    }
    case "NS":
    case "CNAME":
      return encodeName(data);
  }
}

function encodeName(name: string): Buffer {
  const parts = name.split(".").filter((part) => part !== "");
  return Buffer.concat([...parts.map((part) => Buffer.from([part.length, ...Buffer.from(part)])), Buffer.of(0)]);
}
