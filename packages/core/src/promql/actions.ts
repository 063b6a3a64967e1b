// ParserState is what the rules of the grammar work on: it builds the tree and collects the errors of one parse. Its
// checks and messages are those of Prometheus' parse.go; checks that need types come later (check.ts).
import { DurationError, parseDuration } from "../format/duration.ts";
import { Matcher, type MatchType } from "../model/matcher.ts";
import { RegexError } from "../model/regex.ts";
import type {
  AggregateExpr,
  AggregateOperator,
  BinaryExpr,
  BinaryOperator,
  Call,
  DurationExpr,
  Expr,
  MatrixSelector,
  NumberLiteral,
  ParenExpr,
  PositionRange,
  StringLiteral,
  SubqueryExpr,
  TimeModifiers,
  VectorMatching,
  VectorSelector,
} from "./ast.ts";
import type { ParseProblem } from "./errors.ts";
import { FUNCTIONS } from "./functions.ts";
import type { Grouping } from "./grammar.ts";
import type { Lexer } from "./lexer.ts";
import { parseNumber } from "./number.ts";
import { quote, unquote } from "./quote.ts";
import { aggregatorTakesParameter, isAggregator, isOperator, SPELLING, T, type Token } from "./tokens.ts";

/** ParserOptions switch experimental parts of the language, named after Prometheus' feature flags. */
export interface ParserOptions {
  /** experimentalFunctions allows functions and aggregations marked experimental (promql-experimental-functions). */
  experimentalFunctions?: boolean;
  /** durationExpressions allows arithmetic in durations. On unless set to false, as in Prometheus since 3.14. */
  durationExpressions?: boolean;
  /** extendedRangeSelectors allows `anchored` and `smoothed` (promql-extended-range-selectors). */
  extendedRangeSelectors?: boolean;
  /** binopFillModifiers allows `fill`, `fill_left` and `fill_right` (promql-binop-fill-modifiers). */
  binopFillModifiers?: boolean;
}

/** BinaryModifiers is what stands between an operator and its right operand. */
export interface BinaryModifiers {
  returnBool: boolean;
  matching: VectorMatching;
}

export type Label = [name: string, value: string];

type Duration = NumberLiteral | DurationExpr;

/** MAX_SECONDS is the limit of a duration: Go counts nanoseconds in 63 bits. */
const MAX_SECONDS = 2 ** 63 / 1e9;

/** MISSING stands where a part of the tree could not be built; a tree with it is never handed out. */
const MISSING: NumberLiteral = { kind: "NumberLiteral", value: 0, duration: false, pos: { start: 0, end: 0 } };

export class ParserState {
  readonly errors: ParseProblem[] = [];
  /** last is the token read last, which syntax errors complain about. */
  last: Token = { type: T.EOF, pos: 0, value: "" };
  /**
   * lastClosing is the end of the last token read that may end an expression. A modifier that follows an expression
   * extends it to there.
   */
  lastClosing = 0;
  result: unknown;
  private readonly lexer: Lexer;
  private readonly options: ParserOptions;

  constructor(lexer: Lexer, options: ParserOptions) {
    this.lexer = lexer;
    this.options = options;
  }

  fail(start: number, end: number, msg: string): void {
    this.errors.push({ start, end, msg });
  }

  failAt(token: Token, msg: string): void {
    this.fail(token.pos, token.pos + token.value.length, msg);
  }

  private failIn(range: PositionRange, msg: string): void {
    this.fail(range.start, range.end, msg);
  }

  /** unexpected complains about the token read last, unless the lexer already has. */
  unexpected(context: string, expected: string): void {
    if (this.last.type === T.ERROR) return;
    let msg = `unexpected ${describe(this.last)}`;
    if (context !== "") msg += ` in ${context}`;
    if (expected !== "") msg += `, expected ${expected}`;
    this.failAt(this.last, msg);
  }

  accept(result: unknown): void {
    this.result = result;
  }

  unquote(token: Token): string {
    return unquote(token.value);
  }

  stringLiteral(token: Token): StringLiteral {
    return { kind: "StringLiteral", value: unquote(token.value), pos: rangeOf(token) };
  }

  numberLiteral(token: Token): NumberLiteral {
    const number = parseNumber(token.value);
    const literal: NumberLiteral = { kind: "NumberLiteral", value: 0, duration: false, pos: rangeOf(token) };
    if (typeof number === "number") literal.value = number;
    else this.failAt(this.last, `error parsing number: ${number.error}`);
    return literal;
  }

  durationLiteral(token: Token): NumberLiteral {
    const literal: NumberLiteral = { kind: "NumberLiteral", value: 0, duration: true, pos: rangeOf(token) };
    try {
      literal.value = parseDuration(token.value) / 1000;
    } catch (cause) {
      if (!(cause instanceof DurationError)) throw cause;
      this.failAt(token, cause.message);
    }
    return literal;
  }

  /** signed gives a literal its sign. */
  signed(op: Token, literal: NumberLiteral): NumberLiteral {
    if (op.type === T.SUB) literal.value *= -1;
    literal.pos.start = op.pos;
    return literal;
  }

  unary(op: Token, expr: Expr): Expr {
    if (expr.kind === "NumberLiteral") return this.signed(op, expr);
    return {
      kind: "UnaryExpr",
      op: op.type === T.SUB ? "-" : "+",
      expr,
      pos: { start: op.pos, end: expr.pos.end },
    };
  }

  paren(open: Token, expr: Expr, close: Token): ParenExpr {
    return { kind: "ParenExpr", expr, pos: { start: open.pos, end: close.pos + 1 } };
  }

  aggregate(opToken: Token, grouping: Grouping, args: Expr[], readAhead: boolean): AggregateExpr {
    const op = SPELLING.get(opToken.type) as AggregateOperator;
    const end = readAhead ? this.lexer.previousCloseParen(this.lastClosing) : this.lastClosing;
    const node: AggregateExpr = {
      kind: "AggregateExpr",
      op,
      expr: MISSING,
      param: undefined,
      grouping: grouping.labels,
      without: grouping.without,
      pos: { start: opToken.pos, end },
    };
    if (args.length === 0) {
      // After a syntax error nothing may have been closed yet; then there is no place this could point at.
      if (end > opToken.pos) this.failIn(node.pos, "no arguments for aggregate expression provided");
      return node;
    }
    let wanted = 1;
    if (aggregatorTakesParameter(op)) {
      if (!this.options.experimentalFunctions && (op === "limitk" || op === "limit_ratio")) {
        this.failIn(
          node.pos,
          `${op}() is experimental and must be enabled with --enable-feature=promql-experimental-functions`,
        );
        return node;
      }
      wanted = 2;
      node.param = args[0];
    }
    if (args.length !== wanted) {
      this.failIn(
        node.pos,
        `wrong number of arguments for aggregate expression provided, expected ${wanted}, got ${args.length}`,
      );
      return node;
    }
    node.expr = args[wanted - 1]!;
    return node;
  }

  noModifiers(returnBool: boolean): BinaryModifiers {
    return {
      returnBool,
      matching: {
        card: "one-to-one",
        matchingLabels: [],
        on: false,
        include: [],
        fillLhs: undefined,
        fillRhs: undefined,
      },
    };
  }

  binary(lhs: Expr, op: Token, { returnBool, matching }: BinaryModifiers, rhs: Expr): BinaryExpr {
    const node: BinaryExpr = {
      kind: "BinaryExpr",
      op: SPELLING.get(op.type) as BinaryOperator,
      lhs,
      rhs,
      matching,
      returnBool,
      pos: { start: lhs.pos.start, end: rhs.pos.end },
    };
    if (!this.options.binopFillModifiers && (matching.fillLhs !== undefined || matching.fillRhs !== undefined)) {
      this.failIn(node.pos, "binop fill modifiers are experimental and not enabled");
    }
    return node;
  }

  groupingLabel(token: Token, label: string): string {
    if (label === "" || hasRawBytes(label)) this.failAt(token, `invalid label name for grouping: ${quote(label)}`);
    return label;
  }

  call(name: Token, args: Expr[]): Call {
    const signature = FUNCTIONS.get(name.value);
    if (signature === undefined) this.failAt(name, `unknown function with name ${quote(name.value)}`);
    else if (signature.experimental && !this.options.experimentalFunctions) {
      this.failAt(name, `function ${quote(name.value)} is not enabled`);
    }
    return { kind: "Call", func: name.value, args, pos: { start: name.pos, end: this.lastClosing } };
  }

  selector(open: Token, matchers: Matcher[], close: Token): VectorSelector {
    return newSelector("", matchers, open.pos, close.pos + 1);
  }

  named(name: Token, selector: VectorSelector | undefined): VectorSelector {
    const vs = selector ?? newSelector("", [], name.pos, name.pos + name.value.length);
    vs.name = name.value;
    vs.pos.start = name.pos;
    vs.matchers.push(new Matcher("=", "__name__", name.value));
    return vs;
  }

  matcher(label: Token, op: Token, value: Token): Matcher | undefined {
    try {
      return new Matcher(SPELLING.get(op.type) as MatchType, label.value, unquote(value.value));
    } catch (cause) {
      if (!(cause instanceof RegexError)) throw cause;
      this.fail(label.pos, value.pos + value.value.length, cause.message);
      return undefined;
    }
  }

  nameMatcher(name: Token): Matcher {
    return new Matcher("=", "__name__", name.value);
  }

  range(expr: Expr, open: Token, range: Duration, close: Token): MatrixSelector {
    let msg: string | undefined;
    if (expr.kind !== "VectorSelector") msg = "ranges only allowed for vector selectors";
    else if (expr.originalOffsetMs !== 0 || expr.offsetExpr) msg = "no offset modifiers allowed before range";
    else if (expr.timestampMs !== undefined || expr.startOrEnd) msg = "no @ modifiers allowed before range";
    if (msg !== undefined) this.fail(open.pos, close.pos + 1, msg);
    return {
      kind: "MatrixSelector",
      // With any other kind of expression an error has been noted, so that this tree is not handed out.
      vectorSelector: expr as VectorSelector,
      rangeMs: literalMs(range),
      rangeExpr: range.kind === "DurationExpr" ? range : undefined,
      pos: { start: expr.pos.start, end: this.lastClosing },
    };
  }

  subquery(expr: Expr, range: Duration, step: Duration | undefined, close: Token): SubqueryExpr {
    return {
      kind: "SubqueryExpr",
      expr,
      rangeMs: literalMs(range),
      rangeExpr: range.kind === "DurationExpr" ? range : undefined,
      stepMs: step ? literalMs(step) : 0,
      stepExpr: step?.kind === "DurationExpr" ? step : undefined,
      originalOffsetMs: 0,
      offsetExpr: undefined,
      timestampMs: undefined,
      startOrEnd: undefined,
      pos: { start: expr.pos.start, end: close.pos + 1 },
    };
  }

  /** timeModifiers returns where the modifiers of an expression are kept, or undefined if it cannot have any. */
  private timeModifiers(expr: Expr, modifier: string): TimeModifiers | undefined {
    switch (expr.kind) {
      case "VectorSelector":
      case "SubqueryExpr":
        return expr;
      case "MatrixSelector":
        if ((expr.vectorSelector as Expr).kind === "VectorSelector") return expr.vectorSelector;
        this.failIn(expr.pos, "ranges only allowed for vector selectors");
        return undefined;
      default:
        this.failIn(
          expr.pos,
          `${modifier} modifier must be preceded by an instant vector selector or range vector selector or a subquery`,
        );
        return undefined;
    }
  }

  offset(expr: Expr, offset: Duration): Expr {
    const target = this.timeModifiers(expr, "offset");
    if (target === undefined) return expr;
    if (target.originalOffsetMs !== 0 || target.offsetExpr) {
      this.failIn(expr.pos, "offset may not be set multiple times");
    } else if (offset.kind === "NumberLiteral") target.originalOffsetMs = literalMs(offset);
    else target.offsetExpr = offset;
    expr.pos.end = this.lastClosing;
    return expr;
  }

  atTimestamp(expr: Expr, seconds: number): Expr {
    // Both limits round to the same power of two, which is outside.
    if (!(Math.abs(seconds) < 2 ** 63)) {
      this.failIn(expr.pos, `timestamp out of bounds for @ modifier: ${formatFixed(seconds)}`);
    }
    const target = this.atTarget(expr);
    if (target === undefined) return expr;
    target.timestampMs = Math.round(seconds * 1000) || 0;
    expr.pos.end = this.lastClosing;
    return expr;
  }

  atStartOrEnd(expr: Expr, word: Token): Expr {
    const target = this.atTarget(expr);
    if (target === undefined) return expr;
    target.startOrEnd = word.type === T.START ? "start" : "end";
    expr.pos.end = this.lastClosing;
    return expr;
  }

  private atTarget(expr: Expr): TimeModifiers | undefined {
    const target = this.timeModifiers(expr, "@");
    if (target === undefined || (target.timestampMs === undefined && !target.startOrEnd)) return target;
    this.failIn(expr.pos, "@ <timestamp> may not be set multiple times");
    return undefined;
  }

  /** extend applies `anchored` or `smoothed`. */
  extend(expr: Expr, modifier: "anchored" | "smoothed"): Expr {
    if (!this.options.extendedRangeSelectors) {
      this.failIn(expr.pos, `${modifier} modifier is experimental and not enabled`);
      return expr;
    }
    if (expr.kind === "SubqueryExpr") {
      this.failIn(expr.pos, `${modifier} modifier is not supported for subqueries`);
      return expr;
    }
    const target = expr.kind === "MatrixSelector" ? (expr.vectorSelector as Expr) : expr;
    if (target.kind !== "VectorSelector") {
      if (expr.kind !== "MatrixSelector") this.failIn(expr.pos, `${modifier} modifier not implemented`);
      return expr;
    }
    target[modifier] = true;
    if (target.anchored && target.smoothed) {
      this.failIn(expr.pos, "anchored and smoothed modifiers cannot be used together");
    }
    return expr;
  }

  positive(duration: Duration): Duration {
    // MISSING has been complained about already.
    if (duration.kind === "NumberLiteral" && duration.value <= 0 && duration !== MISSING) {
      this.failIn(duration.pos, "duration must be greater than 0");
    }
    return duration;
  }

  /** inRange checks that a literal fits a duration. */
  inRange(literal: NumberLiteral): NumberLiteral {
    if (Math.abs(literal.value) <= MAX_SECONDS || Number.isNaN(literal.value)) return literal;
    this.failIn(literal.pos, "duration out of range");
    return MISSING;
  }

  /** signDuration applies a sign; `wrapped` says that the operand was in parentheses, which belong to no rule of its own. */
  signDuration(op: Token, duration: Duration, wrapped: boolean): Duration {
    if (duration === MISSING) return MISSING;
    const operand = wrapped ? wrap(duration) : duration;
    if (operand.kind === "DurationExpr") return op.type === T.SUB ? negated(op, operand) : operand;
    if (Math.abs(operand.value) > MAX_SECONDS) {
      this.failAt(op, "duration out of range");
      return MISSING;
    }
    return this.signed(op, operand);
  }

  /** signDurationCall is signDuration for step() and the like, which keeps a plus sign. */
  signDurationCall(op: Token, duration: DurationExpr): DurationExpr {
    if (op.type === T.SUB) return negated(op, duration);
    return { ...negated(op, duration), op: "pos" };
  }

  durationWord(word: Token, close: Token): DurationExpr {
    const op = word.type === T.STEP ? "step" : "range";
    return this.durationNode(op, undefined, undefined, word.pos, close.pos + 1);
  }

  durationChoice(word: Token, lhs: Duration, rhs: Duration, close: Token): DurationExpr {
    return this.durationNode(word.type === T.MAX_OF ? "max_of" : "min_of", lhs, rhs, word.pos, close.pos + 1);
  }

  private durationNode(
    op: DurationExpr["op"],
    lhs: Duration | undefined,
    rhs: Duration | undefined,
    start: number,
    end: number,
  ): DurationExpr {
    const node: DurationExpr = { kind: "DurationExpr", op, lhs, rhs, wrapped: false, pos: { start, end } };
    this.requireDurationExpressions(node);
    return node;
  }

  durationArithmetic(lhs: Duration, op: Token, rhs: Duration): Duration {
    this.requireDurationExpressions(lhs);
    if (rhs.kind === "NumberLiteral" && rhs.value === 0 && (op.type === T.DIV || op.type === T.MOD)) {
      this.failAt(op, op.type === T.DIV ? "division by zero" : "modulo by zero");
      return MISSING;
    }
    return {
      kind: "DurationExpr",
      op: SPELLING.get(op.type) as DurationExpr["op"],
      lhs,
      rhs,
      wrapped: false,
      pos: { start: lhs.pos.start, end: rhs.pos.end },
    };
  }

  wrapDuration(duration: Duration): Duration {
    this.requireDurationExpressions(duration);
    return wrap(duration);
  }

  private requireDurationExpressions(duration: Duration): void {
    if (this.options.durationExpressions === false) {
      this.failIn(duration.pos, "experimental duration expression is not enabled");
    }
  }
}

function newSelector(name: string, matchers: Matcher[], start: number, end: number): VectorSelector {
  return {
    kind: "VectorSelector",
    name,
    matchers,
    anchored: false,
    smoothed: false,
    originalOffsetMs: 0,
    offsetExpr: undefined,
    timestampMs: undefined,
    startOrEnd: undefined,
    pos: { start, end },
  };
}

/** wrap puts parentheses around a duration. A literal cannot have them, so it becomes the operand of a plus sign. */
function wrap(duration: Duration): Duration {
  if (duration === MISSING) return duration;
  if (duration.kind === "DurationExpr") {
    duration.wrapped = true;
    return duration;
  }
  return { kind: "DurationExpr", op: "pos", lhs: undefined, rhs: duration, wrapped: true, pos: duration.pos };
}

function negated(op: Token, duration: DurationExpr): DurationExpr {
  return {
    kind: "DurationExpr",
    op: "neg",
    lhs: undefined,
    rhs: duration,
    wrapped: false,
    pos: { start: op.pos, end: duration.pos.end },
  };
}

function rangeOf(token: Token): PositionRange {
  return { start: token.pos, end: token.pos + token.value.length };
}

function literalMs(duration: Duration): number {
  // Prometheus keeps nanoseconds and drops what is less than a millisecond when it evaluates.
  return duration.kind === "NumberLiteral" ? Math.trunc(Math.round(duration.value * 1e9) / 1e6) : 0;
}

function hasRawBytes(text: string): boolean {
  return !text.isWellFormed();
}

/** formatFixed writes a number with six decimals, as Go's %f does. */
function formatFixed(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "+Inf" : "-Inf";
  return Math.abs(value) < 1e21 ? value.toFixed(6) : `${BigInt(value)}.000000`;
}

const KINDS: ReadonlyMap<number, string> = new Map([
  [T.IDENTIFIER, "identifier"],
  [T.METRIC_IDENTIFIER, "metric identifier"],
  [T.STRING, "string"],
  [T.NUMBER, "number"],
  [T.DURATION, "duration"],
]);

/** describe names a token in a message: `identifier "foo"`, `<op:+>`, `")"`. */
function describe(token: Token): string {
  if (token.type === T.EOF) return "end of input";
  const kind = KINDS.get(token.type);
  const text = tokenText(token);
  return kind === undefined ? text : `${kind} ${text}`;
}

function tokenText({ type, value }: Token): string {
  if (type === T.IDENTIFIER || type === T.METRIC_IDENTIFIER) return quote(value);
  if (type >= T.BOOL && type <= T.WITHOUT) return `<${value}>`;
  if (isOperator(type)) return `<op:${value}>`;
  if (isAggregator(type)) return `<aggr:${value}>`;
  const runes = [...value];
  return runes.length > 10 ? `${quote(runes.slice(0, 10).join(""))}...` : quote(value);
}
