// Parsing: a table-driven shift-reduce parser with yacc's way of recovering from errors, so that a query with a mistake
// is read on in the same way as Prometheus reads it and gets the same messages (docs/decisions/0003-promql-parser.md).
import { Labels } from "../model/labels.ts";
import type { Matcher } from "../model/matcher.ts";
import { type Label, type ParserOptions, ParserState } from "./actions.ts";
import type { Expr, VectorSelector } from "./ast.ts";
import { checkExpr } from "./check.ts";
import { ParseError } from "./errors.ts";
import { ACTIONS, LEVELS, RULES } from "./grammar.ts";
import { ACCEPT, buildTables, FAIL, type LalrTables } from "./lalr.ts";
import { Lexer } from "./lexer.ts";
import { T, TERMINALS } from "./tokens.ts";
import { exceedsDepth, MAX_DEPTH } from "./walk.ts";

let cachedTables: LalrTables | undefined;

/** parserTables builds the tables at the first use. */
export function parserTables(): LalrTables {
  return (cachedTables ??= buildTables(TERMINALS, RULES, LEVELS));
}

/** parseExpr parses and type-checks a query. Throws ParseError. */
export function parseExpr(query: string, options: ParserOptions = {}): Expr {
  const state = run(query, T.START_EXPRESSION, options);
  const expr = state.result as Expr | undefined;
  if (state.errors.length === 0 && expr !== undefined) {
    if (exceedsDepth(expr)) {
      throw new ParseError(query, [
        { start: 0, end: query.length, msg: `expression is nested more than ${MAX_DEPTH} levels deep` },
      ]);
    }
    checkExpr(expr, query, (range, msg) => state.fail(range.start, range.end, msg));
  }
  return finish(query, state, expr);
}

/** parseMetricSelector parses the value of a `match[]` parameter. Throws ParseError. */
export function parseMetricSelector(text: string, options: ParserOptions = {}): Matcher[] {
  const state = run(text, T.START_METRIC_SELECTOR, options);
  return finish(text, state, state.result as VectorSelector | undefined).matchers;
}

/** parseMetric parses a metric with labels, such as `up{job="node"}`. Throws ParseError. */
export function parseMetric(text: string): Labels {
  const state = run(text, T.START_METRIC, {});
  return Labels.fromEntries(finish(text, state, state.result as Label[] | undefined));
}

function finish<R>(query: string, state: ParserState, result: R | undefined): R {
  if (state.errors.length > 0) throw new ParseError(query, state.errors);
  if (result === undefined) throw new Error(`BUG: no error and no result for ${JSON.stringify(query)}`);
  return result;
}

/** run parses until the end or an error that cannot be recovered from. */
function run(query: string, startToken: number, options: ParserOptions): ParserState {
  const { actions, terminals, defaults, looksAhead, gotos, nonterminals, ruleLhs, ruleLength } = parserTables();
  const lexer = new Lexer(query);
  const p = new ParserState(lexer, options);
  const states: number[] = [0];
  const values: unknown[] = [undefined];
  let state = 0;
  // The next token, -1 when it has not been read. The first is not in the text; it says what is being parsed.
  let next = startToken;
  let atEnd = false;
  // errorFlag counts down from 3 after an error; until it is 0 a further error only drops tokens.
  let errorFlag = 0;

  for (;;) {
    let action = 0;
    if (looksAhead[state] !== 0) {
      if (next < 0) {
        if (atEnd) next = T.$end;
        else {
          const token = lexer.next();
          p.last = token;
          next = token.type;
          switch (token.type) {
            case T.ERROR:
              p.fail(lexer.start, query.length, token.value);
              next = T.$end;
              break;
            case T.EOF:
              atEnd = true;
              break;
            case T.RIGHT_BRACE:
            case T.RIGHT_PAREN:
            case T.RIGHT_BRACKET:
            case T.DURATION:
            case T.NUMBER:
              p.lastClosing = token.pos + token.value.length;
          }
        }
      }
      action = actions[state * terminals + next]!;
    }
    if (action === 0) action = -defaults[state]!;
    if (action === ACCEPT) return p;
    if (action > 0) {
      values.push(next === startToken ? undefined : p.last);
      next = -1;
      state = action;
      states.push(state);
      if (errorFlag > 0) errorFlag--;
    } else if (action < 0 && action !== FAIL) {
      const rule = -action;
      const length = ruleLength[rule]!;
      const base = values.length - length;
      const value = ACTIONS[rule - 1]!(p, values, base);
      values.length = base;
      states.length = base;
      values.push(value);
      state = gotos[states[base - 1]! * nonterminals + ruleLhs[rule]!]!;
      states.push(state);
    } else {
      if (errorFlag === 3) {
        if (next === T.$end) return p;
        next = -1;
        continue;
      }
      errorFlag = 3;
      while (states.length > 0 && actions[states.at(-1)! * terminals + T.error]! <= 0) states.pop();
      if (states.length === 0) return p;
      values.length = states.length;
      state = actions[states.at(-1)! * terminals + T.error]!;
      states.push(state);
      values.push(undefined);
    }
  }
}
