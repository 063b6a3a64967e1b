// The canonical form of an expression on one line, as Prometheus' String methods give it. What is printed parses to an
// expression that prints the same.
import { formatDuration } from "../format/duration.ts";
import { formatFloat, formatFloatShort } from "../format/float.ts";
import { compareStrings, isLegacyLabelName } from "../model/labels.ts";
import type { Matcher } from "../model/matcher.ts";
import type {
  AggregateExpr,
  BinaryExpr,
  DurationExpr,
  Expr,
  NumberLiteral,
  SubqueryExpr,
  TimeModifiers,
  VectorSelector,
} from "./ast.ts";
import { quote } from "./quote.ts";

/** printExpr writes an expression in canonical form. */
export function printExpr(expr: Expr): string {
  switch (expr.kind) {
    case "NumberLiteral":
      return printNumber(expr);
    case "StringLiteral":
      return quote(expr.value);
    case "VectorSelector":
      return printName(expr) + printAt(expr) + printExtension(expr) + printOffset(expr);
    case "MatrixSelector": {
      const { vectorSelector: vs } = expr;
      const range = printRange(expr.rangeMs, expr.rangeExpr);
      return `${printName(vs)}[${range}]${printExtension(vs)}${printAt(vs)}${printOffset(vs)}`;
    }
    case "SubqueryExpr":
      return printExpr(expr.expr) + printSubqueryRange(expr);
    case "BinaryExpr":
      return `${printExpr(expr.lhs)} ${printOperator(expr)} ${printExpr(expr.rhs)}`;
    case "AggregateExpr": {
      const param = expr.param ? `${printExpr(expr.param)}, ` : "";
      return `${printAggregation(expr)}(${param}${printExpr(expr.expr)})`;
    }
    case "Call":
      return `${expr.func}(${expr.args.map(printExpr).join(", ")})`;
    case "ParenExpr":
      return `(${printExpr(expr.expr)})`;
    case "UnaryExpr":
      return expr.op + printExpr(expr.expr);
  }
}

/** printAggregation writes the operator and grouping of an aggregation, what stands before its arguments. */
export function printAggregation({ op, grouping, without }: AggregateExpr): string {
  if (without) return `${op} without (${printLabels(grouping)}) `;
  return grouping.length > 0 ? `${op} by (${printLabels(grouping)}) ` : op;
}

/** printOperator writes what stands between the operands of a binary expression. */
export function printOperator({ op, returnBool, matching }: BinaryExpr): string {
  let out = returnBool ? `${op} bool` : op;
  if (!matching) return out;
  const { card, matchingLabels, on, include, fillLhs, fillRhs } = matching;
  const grouped = card === "many-to-one" || card === "one-to-many";
  if (matchingLabels.length > 0 || on || grouped) {
    out += ` ${on ? "on" : "ignoring"} (${printLabels(matchingLabels)})`;
  }
  if (grouped) out += ` group_${card === "many-to-one" ? "left" : "right"} (${printLabels(include)})`;
  if (fillLhs !== undefined && fillLhs === fillRhs) return `${out} fill (${formatFloatShort(fillLhs)})`;
  if (fillLhs !== undefined) out += ` fill_left (${formatFloatShort(fillLhs)})`;
  if (fillRhs !== undefined) out += ` fill_right (${formatFloatShort(fillRhs)})`;
  return out;
}

/** printSubqueryRange writes what follows the expression of a subquery. */
export function printSubqueryRange(expr: SubqueryExpr): string {
  const step = expr.stepMs !== 0 ? formatDuration(expr.stepMs) : expr.stepExpr ? printDuration(expr.stepExpr) : "";
  return `[${printRange(expr.rangeMs, expr.rangeExpr)}:${step}]${printAt(expr)}${printOffset(expr)}`;
}

/** printMatcher writes a matcher; a label name that is not a word is quoted. */
export function printMatcher({ name, type, value }: Matcher): string {
  return `${printLabel(name)}${type}${quote(value)}`;
}

function printLabel(name: string): string {
  return isLegacyLabelName(name) ? name : quote(name);
}

function printLabels(labels: readonly string[]): string {
  return labels.map(printLabel).join(", ");
}

function printNumber({ value, duration }: NumberLiteral): string {
  // Rounded because seconds are no exact multiple of milliseconds: 1.001 * 1000 is less than 1001.
  return duration ? formatDuration(Math.round(value * 1e9) / 1e6) : formatFloat(value);
}

function printName({ name, matchers }: VectorSelector): string {
  const printed: string[] = [];
  for (const matcher of matchers) {
    // The name before the braces has its own matcher.
    const implied = matcher.name === "__name__" && matcher.type === "=" && matcher.value === name && name !== "";
    if (!implied) printed.push(printMatcher(matcher));
  }
  if (printed.length === 0) return name === "" ? "{}" : name;
  return `${name}{${printed.sort(compareStrings).join(",")}}`;
}

function printExtension({ anchored, smoothed }: VectorSelector): string {
  return anchored ? " anchored" : smoothed ? " smoothed" : "";
}

function printAt({ timestampMs, startOrEnd }: TimeModifiers): string {
  if (timestampMs !== undefined) return ` @ ${(timestampMs / 1000).toFixed(3)}`;
  return startOrEnd ? ` @ ${startOrEnd}()` : "";
}

function printOffset({ originalOffsetMs, offsetExpr }: TimeModifiers): string {
  if (offsetExpr) return ` offset ${printDuration(offsetExpr)}`;
  return originalOffsetMs === 0 ? "" : ` offset ${formatDuration(originalOffsetMs)}`;
}

function printRange(ms: number, expr: DurationExpr | undefined): string {
  return expr ? printDuration(expr) : formatDuration(ms);
}

function printDuration(expr: DurationExpr | NumberLiteral): string {
  if (expr.kind === "NumberLiteral") return printNumber(expr);
  const lhs = expr.lhs ? printDuration(expr.lhs) : "";
  const rhs = expr.rhs ? printDuration(expr.rhs) : "";
  let out: string;
  switch (expr.op) {
    case "step":
    case "range":
      out = `${expr.op}()`;
      break;
    case "min_of":
    case "max_of":
      out = `${expr.op}(${lhs}, ${rhs})`;
      break;
    case "neg":
      out = `-${rhs}`;
      break;
    case "pos":
      out = rhs;
      break;
    default:
      out = `${lhs} ${expr.op} ${rhs}`;
  }
  return expr.wrapped ? `(${out})` : out;
}
