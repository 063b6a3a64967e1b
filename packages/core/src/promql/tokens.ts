// The tokens of PromQL. The order of TERMINALS is that of the tokens in Prometheus' grammar: where a parser state could
// use one of two rules equally often as its default, the earlier token decides (see lalr.ts).

/** TERMINALS lists every token; a token's type is its index. The first three belong to the parser itself. */
export const TERMINALS = [
  "$unknown",
  "$end",
  "error",
  "EQL",
  "COLON",
  "COMMA",
  "DURATION",
  "EOF",
  "ERROR",
  "IDENTIFIER",
  "LEFT_BRACE",
  "LEFT_BRACKET",
  "LEFT_PAREN",
  "METRIC_IDENTIFIER",
  "NUMBER",
  "RIGHT_BRACE",
  "RIGHT_BRACKET",
  "RIGHT_PAREN",
  "STRING",
  "ADD",
  "DIV",
  "EQLC",
  "EQL_REGEX",
  "GTE",
  "GTR",
  "TRIM_UPPER",
  "TRIM_LOWER",
  "LAND",
  "LOR",
  "LSS",
  "LTE",
  "LUNLESS",
  "MOD",
  "MUL",
  "NEQ",
  "NEQ_REGEX",
  "POW",
  "SUB",
  "AT",
  "ATAN2",
  "AVG",
  "BOTTOMK",
  "COUNT",
  "COUNT_VALUES",
  "GROUP",
  "MAX",
  "MIN",
  "QUANTILE",
  "STDDEV",
  "STDVAR",
  "SUM",
  "TOPK",
  "LIMITK",
  "LIMIT_RATIO",
  "BOOL",
  "BY",
  "GROUP_LEFT",
  "GROUP_RIGHT",
  "FILL",
  "FILL_LEFT",
  "FILL_RIGHT",
  "IGNORING",
  "OFFSET",
  "SMOOTHED",
  "ANCHORED",
  "ON",
  "WITHOUT",
  "START",
  "END",
  "STEP",
  "RANGE",
  "MAX_OF",
  "MIN_OF",
  "START_METRIC",
  "START_EXPRESSION",
  "START_METRIC_SELECTOR",
] as const;

export type Terminal = (typeof TERMINALS)[number];

/** T maps the name of a token to its type. */
export const T = Object.fromEntries(TERMINALS.map((name, type) => [name, type])) as Record<Terminal, number>;

/** Token is a piece of the query: `value` is the text, for an ERROR token the message. */
export interface Token {
  type: number;
  /** pos is the index of the first character. */
  pos: number;
  value: string;
}

/** KEYWORDS maps lower-case words to token types. They are keywords only outside braces. */
export const KEYWORDS: ReadonlyMap<string, number> = new Map([
  ["and", T.LAND],
  ["or", T.LOR],
  ["unless", T.LUNLESS],
  ["atan2", T.ATAN2],
  ["sum", T.SUM],
  ["avg", T.AVG],
  ["count", T.COUNT],
  ["min", T.MIN],
  ["max", T.MAX],
  ["group", T.GROUP],
  ["stddev", T.STDDEV],
  ["stdvar", T.STDVAR],
  ["topk", T.TOPK],
  ["bottomk", T.BOTTOMK],
  ["count_values", T.COUNT_VALUES],
  ["quantile", T.QUANTILE],
  ["limitk", T.LIMITK],
  ["limit_ratio", T.LIMIT_RATIO],
  ["offset", T.OFFSET],
  ["smoothed", T.SMOOTHED],
  ["anchored", T.ANCHORED],
  ["by", T.BY],
  ["without", T.WITHOUT],
  ["on", T.ON],
  ["ignoring", T.IGNORING],
  ["group_left", T.GROUP_LEFT],
  ["group_right", T.GROUP_RIGHT],
  ["fill", T.FILL],
  ["fill_left", T.FILL_LEFT],
  ["fill_right", T.FILL_RIGHT],
  ["bool", T.BOOL],
  ["start", T.START],
  ["end", T.END],
  ["step", T.STEP],
  ["range", T.RANGE],
  ["max_of", T.MAX_OF],
  ["min_of", T.MIN_OF],
  ["inf", T.NUMBER],
  ["nan", T.NUMBER],
]);

/** DURATION_WORDS are the words that may occur inside brackets. */
export const DURATION_WORDS: ReadonlyMap<string, number> = new Map([
  ["step", T.STEP],
  ["range", T.RANGE],
  ["max_of", T.MAX_OF],
  ["min_of", T.MIN_OF],
]);

/** SPELLING is how each operator, keyword and delimiter is written. */
export const SPELLING: ReadonlyMap<number, string> = new Map([
  ...[...KEYWORDS].filter(([, type]) => type !== T.NUMBER).map(([word, type]) => [type, word] as const),
  [T.LEFT_PAREN, "("],
  [T.RIGHT_PAREN, ")"],
  [T.LEFT_BRACE, "{"],
  [T.RIGHT_BRACE, "}"],
  [T.LEFT_BRACKET, "["],
  [T.RIGHT_BRACKET, "]"],
  [T.COMMA, ","],
  [T.EQL, "="],
  [T.COLON, ":"],
  [T.SUB, "-"],
  [T.ADD, "+"],
  [T.MUL, "*"],
  [T.MOD, "%"],
  [T.DIV, "/"],
  [T.EQLC, "=="],
  [T.NEQ, "!="],
  [T.LTE, "<="],
  [T.LSS, "<"],
  [T.GTE, ">="],
  [T.GTR, ">"],
  [T.TRIM_UPPER, "</"],
  [T.TRIM_LOWER, ">/"],
  [T.EQL_REGEX, "=~"],
  [T.NEQ_REGEX, "!~"],
  [T.POW, "^"],
  [T.AT, "@"],
]);

export function isOperator(type: number): boolean {
  return type >= T.ADD && type <= T.ATAN2;
}

export function isAggregator(type: number): boolean {
  return type >= T.AVG && type <= T.LIMIT_RATIO;
}

/** aggregatorTakesParameter tells whether an aggregation has a first argument besides the vector. */
export function aggregatorTakesParameter(op: string): boolean {
  switch (op) {
    case "topk":
    case "bottomk":
    case "count_values":
    case "quantile":
    case "limitk":
    case "limit_ratio":
      return true;
    default:
      return false;
  }
}
