// Type checks on a whole tree, in the order and with the words of Prometheus' checkAST. Types go up with the results of
// the recursion, so that the check is linear in the size of the expression.
import type { BinaryExpr, Call, Expr, PositionRange, ValueType, VectorSelector } from "./ast.ts";
import { FUNCTIONS } from "./functions.ts";
import { isSpace } from "./lexer.ts";
import { quote } from "./quote.ts";
import { exprType } from "./walk.ts";

type Report = (range: PositionRange, msg: string) => void;

const COMPARISONS: ReadonlySet<string> = new Set(["==", "!=", "<", "<=", ">", ">="]);
const SET_OPERATORS: ReadonlySet<string> = new Set(["and", "or", "unless"]);

const TYPE_NAMES: Readonly<Record<ValueType, string>> = {
  none: "none",
  scalar: "scalar",
  vector: "instant vector",
  matrix: "range vector",
  string: "string",
};

/**
 * checkExpr reports every type error in `expr`. It also settles the matching of binary expressions: none where an operand
 * is a scalar, many-to-many for set operators.
 */
export function checkExpr(expr: Expr, query: string, report: Report): void {
  new Checker(query, report).check(expr);
}

class Checker {
  private readonly query: string;
  private readonly report: Report;

  constructor(query: string, report: Report) {
    this.query = query;
    this.report = report;
  }

  check(expr: Expr, allowEmptyMatchers = false): ValueType {
    switch (expr.kind) {
      case "NumberLiteral":
        return "scalar";
      case "StringLiteral":
        return "string";
      case "VectorSelector":
        this.checkSelector(expr, allowEmptyMatchers);
        return "vector";
      case "MatrixSelector":
        this.check(expr.vectorSelector);
        return "matrix";
      case "ParenExpr":
        return this.check(expr.expr);
      case "BinaryExpr":
        return this.checkBinary(expr);
      case "Call":
        return this.checkCall(expr);
      case "AggregateExpr":
        this.expect(expr.expr, "vector", "aggregation expression");
        if (expr.param) {
          this.expect(expr.param, expr.op === "count_values" ? "string" : "scalar", "aggregation parameter");
        }
        return "vector";
      case "UnaryExpr": {
        const type = this.check(expr.expr);
        if (type !== "scalar" && type !== "vector") {
          const got = quote(TYPE_NAMES[type]);
          this.report(
            expr.pos,
            `unary expression only allowed on expressions of type scalar or instant vector, got ${got}`,
          );
        }
        return type;
      }
      case "SubqueryExpr": {
        const type = this.check(expr.expr);
        if (type !== "vector") {
          this.report(expr.pos, `subquery is only allowed on instant vector, got ${type} instead`);
        }
        return "matrix";
      }
    }
  }

  private expect(expr: Expr, want: ValueType, context: string): void {
    const type = this.check(expr);
    if (type !== want) {
      this.report(expr.pos, `expected type ${TYPE_NAMES[want]} in ${context}, got ${TYPE_NAMES[type]}`);
    }
  }

  /** operatorRange is the text between the operands; its end is, as in Prometheus, the last character and not after it. */
  private operatorRange({ lhs, rhs }: BinaryExpr): PositionRange {
    let start = lhs.pos.end;
    while (isSpace(this.query.charCodeAt(start))) start++;
    let end = rhs.pos.start - 1;
    while (isSpace(this.query.charCodeAt(end))) end--;
    return { start, end };
  }

  private checkBinary(expr: BinaryExpr): ValueType {
    const lhs = this.check(expr.lhs);
    const rhs = this.check(expr.rhs);
    const comparison = COMPARISONS.has(expr.op);
    const setOperator = SET_OPERATORS.has(expr.op);
    const matching = expr.matching!;
    if (expr.returnBool && !comparison) {
      this.report(this.operatorRange(expr), "bool modifier can only be used on comparison operators");
    }
    if (comparison && !expr.returnBool && lhs === "scalar" && rhs === "scalar") {
      this.report(this.operatorRange(expr), "comparisons between scalars must use BOOL modifier");
    }
    if (setOperator && matching.card === "one-to-one") matching.card = "many-to-many";
    if (matching.on) {
      for (const label of matching.matchingLabels) {
        for (const included of matching.include) {
          if (label !== included) continue;
          this.report(this.operatorRange(expr), `label ${quote(label)} must not occur in ON and GROUP clause at once`);
        }
      }
    }
    for (const [type, side] of [
      [lhs, expr.lhs],
      [rhs, expr.rhs],
    ] as const) {
      if (type !== "scalar" && type !== "vector") {
        this.report(side.pos, "binary expression must contain only scalar and instant vector types");
      }
    }
    const fills = matching.fillLhs !== undefined || matching.fillRhs !== undefined;
    if (lhs !== "vector" || rhs !== "vector") {
      if (matching.matchingLabels.length > 0) {
        this.report(expr.pos, "vector matching only allowed between instant vectors");
      }
      if (fills) this.report(expr.pos, "filling in missing series only allowed between instant vectors");
      expr.matching = undefined;
    } else if (setOperator) {
      if (matching.card === "one-to-many" || matching.card === "many-to-one") {
        this.report(expr.pos, `no grouping allowed for ${quote(expr.op)} operation`);
      }
      if (matching.card !== "many-to-many") {
        this.report(expr.pos, "set operations must always be many-to-many");
      }
      if (fills) this.report(expr.pos, "filling in missing series not allowed for set operators");
    }
    if ((lhs === "scalar" || rhs === "scalar") && setOperator) {
      this.report(expr.pos, `set operator ${quote(expr.op)} not allowed in binary scalar expression`);
    }
    return lhs === "scalar" && rhs === "scalar" ? "scalar" : "vector";
  }

  private checkCall(expr: Call): ValueType {
    const { args, func, pos } = expr;
    const { argTypes, variadic, returnType } = FUNCTIONS.get(func)!;
    const wrong = (expected: string): void =>
      this.report(pos, `expected ${expected} argument(s) in call to ${quote(func)}, got ${args.length}`);
    if (variadic === 0) {
      if (args.length !== argTypes.length) wrong(`${argTypes.length}`);
    } else {
      const least = argTypes.length - 1;
      if (args.length < least) wrong(`at least ${least}`);
      else if (variadic > 0 && args.length > least + variadic) wrong(`at most ${least + variadic}`);
    }
    // The second argument of info only lists label matchers; none of them has to exclude the empty value.
    const info = func === "info" ? args[1] : undefined;
    if (info) this.checkInfoArgument(info, pos);
    for (const [i, arg] of args.entries()) {
      if (i >= argTypes.length && variadic === 0) break;
      const want = argTypes[Math.min(i, argTypes.length - 1)]!;
      const type = this.check(arg, arg === info);
      if (type !== want) {
        this.report(
          arg.pos,
          `expected type ${TYPE_NAMES[want]} in call to function ${quote(func)}, got ${TYPE_NAMES[type]}`,
        );
      }
    }
    return returnType;
  }

  private checkInfoArgument(arg: Expr, call: PositionRange): void {
    const type = exprType(arg);
    if (type !== "vector") {
      this.report(call, `expected type instant vector in call to function "info", got ${TYPE_NAMES[type]}`);
    }
    if (arg.kind !== "VectorSelector") this.report(arg.pos, "expected label selectors only");
    else if (arg.name !== "") {
      this.report(arg.pos, "expected label selectors only, got vector selector instead");
    }
  }

  private checkSelector({ name, matchers, pos }: VectorSelector, allowEmptyMatchers: boolean): void {
    if (name !== "") {
      // The last matcher is the one of the name before the braces.
      for (const matcher of matchers.slice(0, -1)) {
        if (matcher.name === "__name__") {
          this.report(pos, `metric name must not be set twice: ${quote(name)} or ${quote(matcher.value)}`);
        }
      }
      return;
    }
    if (!allowEmptyMatchers && !matchers.some((matcher) => !matcher.matchesEmpty)) {
      this.report(pos, "vector selector must contain at least one non-empty matcher");
    }
  }
}
