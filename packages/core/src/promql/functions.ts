// What the language knows by name: functions, aggregations, keywords. The parser checks calls against these tables and
// the editor completes from them.
import type { ValueType } from "./ast.ts";

/** FunctionSignature describes a function of PromQL. */
export interface FunctionSignature {
  readonly name: string;
  readonly argTypes: readonly ValueType[];
  /** variadic is 0 for a fixed number of arguments; n: the last argument may occur 0 to n times; -1: 0 or more times. */
  readonly variadic: number;
  readonly returnType: ValueType;
  /** experimental functions need the feature promql-experimental-functions. */
  readonly experimental: boolean;
  /** doc is one sentence for people who complete the name. */
  readonly doc: string;
}

const TYPES: Readonly<Record<string, ValueType>> = { v: "vector", m: "matrix", s: "scalar", t: "string" };

interface Extra {
  variadic?: number;
  returns?: ValueType;
  experimental?: true;
}

/** define takes the argument types as letters: v vector, m matrix, s scalar, t string. */
function define(name: string, args: string, doc: string, extra: Extra = {}): [string, FunctionSignature] {
  return [
    name,
    {
      name,
      argTypes: [...args].map((letter) => TYPES[letter]!),
      variadic: extra.variadic ?? 0,
      returnType: extra.returns ?? "vector",
      experimental: extra.experimental ?? false,
      doc,
    },
  ];
}

const scalar = { returns: "scalar" } as const;
const optional = { variadic: 1 } as const;
const experimental = { experimental: true } as const;
const experimentalScalar = { returns: "scalar", experimental: true } as const;

/** FUNCTIONS maps the name of every function to its signature. */
export const FUNCTIONS: ReadonlyMap<string, FunctionSignature> = new Map([
  define("abs", "v", "Absolute value of each sample."),
  define("absent", "v", "1 if the vector has no elements, else nothing."),
  define("absent_over_time", "m", "1 if the range vector has no samples, else nothing."),
  define("acos", "v", "Arc cosine of each sample."),
  define("acosh", "v", "Inverse hyperbolic cosine of each sample."),
  define("asin", "v", "Arc sine of each sample."),
  define("asinh", "v", "Inverse hyperbolic sine of each sample."),
  define("atan", "v", "Arc tangent of each sample."),
  define("atanh", "v", "Inverse hyperbolic tangent of each sample."),
  define("avg_over_time", "m", "Average of all samples in the range."),
  define("ceil", "v", "Each sample rounded up to an integer."),
  define("changes", "m", "How often the value changed within the range."),
  define("clamp", "vss", "Each sample limited to the range from a minimum to a maximum."),
  define("clamp_max", "vs", "Each sample limited to a maximum."),
  define("clamp_min", "vs", "Each sample limited to a minimum."),
  define("cos", "v", "Cosine of each sample."),
  define("cosh", "v", "Hyperbolic cosine of each sample."),
  define("count_over_time", "m", "Number of samples in the range."),
  define("day_of_month", "v", "Day of the month in UTC (1 to 31) of each timestamp.", optional),
  define("day_of_week", "v", "Day of the week in UTC (0 is Sunday) of each timestamp.", optional),
  define("day_of_year", "v", "Day of the year in UTC (1 to 366) of each timestamp.", optional),
  define("days_in_month", "v", "Number of days of the month (28 to 31) of each timestamp.", optional),
  define("deg", "v", "Radians converted to degrees."),
  define("delta", "m", "Difference between the last and first value of a gauge over the range."),
  define("deriv", "m", "Per-second slope of a gauge by linear regression."),
  define("double_exponential_smoothing", "mss", "Smoothed value by factors for level and trend.", experimental),
  define("end", "", "End of the query as Unix time in seconds.", experimentalScalar),
  define("exp", "v", "Exponential function of each sample."),
  define("first_over_time", "m", "First sample in the range."),
  define("floor", "v", "Each sample rounded down to an integer."),
  define("histogram_avg", "v", "Average of the observations in each native histogram."),
  define("histogram_count", "v", "Number of observations in each native histogram."),
  define("histogram_fraction", "ssv", "Estimated fraction of observations between two values."),
  define("histogram_quantile", "sv", "Estimated quantile (0 to 1) of histograms."),
  define("histogram_quantiles", "vtss", "Several quantiles of histograms, each with its label.", {
    variadic: 9,
    experimental: true,
  }),
  define("histogram_stddev", "v", "Estimated standard deviation of the observations in each native histogram."),
  define("histogram_stdvar", "v", "Estimated variance of the observations in each native histogram."),
  define("histogram_sum", "v", "Sum of the observations in each native histogram."),
  define("hour", "v", "Hour of the day in UTC (0 to 23) of each timestamp.", optional),
  define("idelta", "m", "Difference between the last two samples of a gauge."),
  define("increase", "m", "Increase of a counter over the range, extrapolated to its ends."),
  define("info", "vv", "Adds the labels of matching info metrics.", { variadic: 1, experimental: true }),
  define("irate", "m", "Per-second increase of a counter between its last two samples."),
  define("label_join", "vttt", "Joins label values with a separator into a new label.", { variadic: -1 }),
  define("label_replace", "vtttt", "Sets a label from another one by a regular expression."),
  define("last_over_time", "m", "Last sample in the range."),
  define("ln", "v", "Natural logarithm of each sample."),
  define("log10", "v", "Decimal logarithm of each sample."),
  define("log2", "v", "Binary logarithm of each sample."),
  define("mad_over_time", "m", "Median absolute deviation of the samples in the range.", experimental),
  define("max_of", "ss", "The larger of two scalars.", experimentalScalar),
  define("max_over_time", "m", "Largest sample in the range."),
  define("min_of", "ss", "The smaller of two scalars.", experimentalScalar),
  define("min_over_time", "m", "Smallest sample in the range."),
  define("minute", "v", "Minute of the hour in UTC (0 to 59) of each timestamp.", optional),
  define("month", "v", "Month of the year in UTC (1 to 12) of each timestamp.", optional),
  define("pi", "", "The number pi.", scalar),
  define("predict_linear", "ms", "Value of a gauge in so many seconds, by linear regression."),
  define("present_over_time", "m", "1 for every series with a sample in the range."),
  define("quantile_over_time", "sm", "Quantile (0 to 1) of the samples in the range."),
  define("rad", "v", "Degrees converted to radians."),
  define("range", "", "Length of the query's time range in seconds.", experimentalScalar),
  define("rate", "m", "Per-second average increase of a counter over the range."),
  define("resets", "m", "How often a counter was reset within the range."),
  define("round", "vs", "Each sample rounded to the nearest multiple (of 1 unless given).", optional),
  define("scalar", "v", "The only element of the vector as a scalar, NaN if there is not exactly one.", scalar),
  define("sgn", "v", "Sign of each sample: 1, -1 or 0."),
  define("sin", "v", "Sine of each sample."),
  define("sinh", "v", "Hyperbolic sine of each sample."),
  define("sort", "v", "Elements in ascending order of their values."),
  define("sort_by_label", "vt", "Elements in natural ascending order of label values.", {
    variadic: -1,
    experimental: true,
  }),
  define("sort_by_label_desc", "vt", "Elements in natural descending order of label values.", {
    variadic: -1,
    experimental: true,
  }),
  define("sort_desc", "v", "Elements in descending order of their values."),
  define("sqrt", "v", "Square root of each sample."),
  define("start", "", "Start of the query as Unix time in seconds.", experimentalScalar),
  define("start_timestamp", "v", "Start timestamp of each sample in seconds.", experimental),
  define("stddev_over_time", "m", "Standard deviation of the samples in the range."),
  define("stdvar_over_time", "m", "Variance of the samples in the range."),
  define("step", "", "Resolution step of the query in seconds.", experimentalScalar),
  define("sum_over_time", "m", "Sum of all samples in the range."),
  define("tan", "v", "Tangent of each sample."),
  define("tanh", "v", "Hyperbolic tangent of each sample."),
  define("time", "", "Evaluation time as Unix time in seconds.", scalar),
  define("timestamp", "v", "Timestamp of each sample in seconds."),
  define("ts_of_first_over_time", "m", "Timestamp of the first sample in the range.", experimental),
  define("ts_of_last_over_time", "m", "Timestamp of the last sample in the range.", experimental),
  define(
    "ts_of_max_over_time",
    "m",
    "Timestamp of the last occurrence of the largest sample in the range.",
    experimental,
  ),
  define(
    "ts_of_min_over_time",
    "m",
    "Timestamp of the last occurrence of the smallest sample in the range.",
    experimental,
  ),
  define("vector", "s", "A scalar as a vector without labels."),
  define("year", "v", "Year in UTC of each timestamp.", optional),
]);
