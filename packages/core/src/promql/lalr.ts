// LALR(1) tables for a grammar, resolved as yacc resolves them: a higher precedence wins, equal ones go by
// associativity, without precedence a shift wins over a reduction and the earlier rule over the later one.
//
// Which reduction a state makes without looking at the next token is part of the behaviour here, not an optimisation:
// it decides what has been reduced, and therefore said, when a syntax error is found. So it is chosen as goyacc
// chooses it: the reduction wanted by most tokens is the default, except where the token `error` can be shifted, and
// a state that can only reduce by one rule does so without reading a token.
//
// Look-aheads are computed with DeRemer and Pennello's relations (reads, includes, lookback).

export interface GrammarRule {
  lhs: string;
  rhs: readonly string[];
  /** precedence names the token whose precedence the rule has instead of its last token's. */
  precedence?: string | undefined;
}

export interface PrecedenceLevel {
  associativity: "left" | "right" | "nonassoc";
  tokens: readonly string[];
}

/** LalrTables drive the parser. Rule 0 is `$accept: start $end`, so rule i is GrammarRule i - 1. */
export interface LalrTables {
  /** actions[state * terminals + token]: 0 the default, > 0 shift to that state, < 0 reduce by that rule, or ACCEPT or FAIL. */
  actions: Int16Array;
  terminals: number;
  /** defaults[state] is the rule to reduce by where actions says 0; 0 is a syntax error. */
  defaults: Int16Array;
  /** looksAhead[state] is 0 where the default applies whatever the next token is. */
  looksAhead: Uint8Array;
  /** gotos[state * nonterminals + nonterminal] is the state after a reduction. */
  gotos: Int16Array;
  nonterminals: number;
  ruleLhs: Int16Array;
  ruleLength: Int16Array;
}

export const ACCEPT = 32767;
export const FAIL = -32768;

interface State {
  /** kernel holds items as rule * 64 + dot. */
  kernel: readonly number[];
  items: readonly number[];
  /** transitions maps symbols to states; terminals are 0..t-1, nonterminals follow. */
  transitions: Map<number, number>;
}

const DOT_BITS = 6;
const DOT_MASK = (1 << DOT_BITS) - 1;

/** buildTables computes the tables of a grammar whose first rule's left side is the start symbol. */
export function buildTables(
  terminals: readonly string[],
  rules: readonly GrammarRule[],
  levels: readonly PrecedenceLevel[],
): LalrTables {
  const symbolIds = new Map<string, number>(terminals.map((name, i) => [name, i]));
  const terminalCount = terminals.length;
  const idOf = (name: string): number => {
    const id = symbolIds.get(name);
    if (id === undefined) throw new Error(`BUG: the grammar has no symbol ${name}`);
    return id;
  };
  for (const rule of rules) if (!symbolIds.has(rule.lhs)) symbolIds.set(rule.lhs, symbolIds.size);
  const symbolCount = symbolIds.size;
  const nonterminalCount = symbolCount - terminalCount;
  const end = idOf("$end");
  // The left side of rule 0 occurs nowhere else, so it needs no symbol of its own.
  const ruleLhs = [symbolCount, ...rules.map((rule) => idOf(rule.lhs))];
  const ruleRhs = [[idOf(rules[0]!.lhs), end], ...rules.map((rule) => rule.rhs.map(idOf))];
  const precedence = new Precedence(levels, idOf);
  const rulePrecedence = ruleRhs.map((rhs, i) => {
    const named = i > 0 ? rules[i - 1]!.precedence : undefined;
    return named === undefined ? rhs.findLast((symbol) => symbol < terminalCount) : idOf(named);
  });

  const byLhs: number[][] = Array.from({ length: symbolCount }, () => []);
  for (let i = 1; i < ruleLhs.length; i++) byLhs[ruleLhs[i]!]!.push(i);
  const states = buildStates(ruleRhs, byLhs, terminalCount);
  const lookaheads = computeLookaheads(states, ruleLhs, ruleRhs, terminalCount, symbolCount);

  const tables: LalrTables = {
    actions: new Int16Array(states.length * terminalCount),
    terminals: terminalCount,
    defaults: new Int16Array(states.length),
    looksAhead: new Uint8Array(states.length),
    gotos: new Int16Array(states.length * nonterminalCount),
    nonterminals: nonterminalCount,
    ruleLhs: Int16Array.from(ruleLhs, (lhs) => lhs - terminalCount),
    ruleLength: Int16Array.from(ruleRhs, (rhs) => rhs.length),
  };
  const error = idOf("error");
  for (const [s, state] of states.entries()) {
    const row = tables.actions.subarray(s * terminalCount, (s + 1) * terminalCount);
    for (const [symbol, target] of state.transitions) {
      if (symbol < terminalCount) row[symbol] = symbol === end ? ACCEPT : target;
      else tables.gotos[s * nonterminalCount + symbol - terminalCount] = target;
    }
    for (const item of state.items) {
      const rule = item >> DOT_BITS;
      if ((item & DOT_MASK) !== ruleRhs[rule]!.length || rule === 0) continue;
      const lookahead = lookaheads.get(s * ruleRhs.length + rule)!;
      for (const token of bits(lookahead)) {
        const current = row[token]!;
        if (current === 0) row[token] = -rule;
        else if (current === FAIL) continue;
        else if (current < 0) row[token] = Math.max(current, -rule);
        else row[token] = precedence.resolve(current, rule, rulePrecedence[rule], token);
      }
    }
    chooseDefault(row, error, tables, s);
  }
  return tables;
}

/** bits lists the tokens in a set. */
function bits(set: Int32Array): number[] {
  const tokens: number[] = [];
  for (let w = 0; w < set.length; w++) {
    for (let word = set[w]!; word !== 0; word &= word - 1) tokens.push(w * 32 + 31 - Math.clz32(word & -word));
  }
  return tokens;
}

/** Precedence answers conflicts between a shift and a reduction. */
class Precedence {
  private readonly levels = new Map<number, number>();
  private readonly associativity: readonly PrecedenceLevel["associativity"][];

  constructor(levels: readonly PrecedenceLevel[], idOf: (name: string) => number) {
    this.associativity = levels.map((level) => level.associativity);
    for (const [i, level] of levels.entries()) for (const token of level.tokens) this.levels.set(idOf(token), i);
  }

  resolve(shift: number, rule: number, ruleToken: number | undefined, token: number): number {
    const ruleLevel = ruleToken === undefined ? undefined : this.levels.get(ruleToken);
    const tokenLevel = this.levels.get(token);
    if (ruleLevel === undefined || tokenLevel === undefined || tokenLevel > ruleLevel) return shift;
    if (tokenLevel < ruleLevel) return -rule;
    switch (this.associativity[tokenLevel]!) {
      case "left":
        return -rule;
      case "right":
        return shift;
      case "nonassoc":
        return FAIL;
    }
  }
}

function chooseDefault(row: Int16Array, error: number, tables: LalrTables, state: number): void {
  const counts = new Map<number, number>();
  let shifts = false;
  for (const action of row) {
    if (action < 0 && action !== FAIL) counts.set(action, (counts.get(action) ?? 0) + 1);
    else if (action > 0 && action !== ACCEPT) shifts = true;
  }
  let best = 0;
  if (row[error]! <= 0) {
    // Map keeps the order in which the tokens named the rules, so that the earliest wins a tie.
    for (const [action, count] of counts) if (best === 0 || count > counts.get(best)!) best = action;
  }
  let exceptions = false;
  for (let token = 0; token < row.length; token++) {
    if (row[token] === best) row[token] = 0;
    else if (row[token]! < 0 || row[token] === ACCEPT) exceptions = true;
  }
  tables.defaults[state] = -best;
  tables.looksAhead[state] = shifts || exceptions ? 1 : 0;
}

function buildStates(ruleRhs: readonly number[][], byLhs: readonly number[][], terminalCount: number): State[] {
  const states: State[] = [];
  const known = new Map<string, number>();
  const add = (kernel: number[]): number => {
    kernel.sort((a, b) => a - b);
    const key = kernel.join();
    const existing = known.get(key);
    if (existing !== undefined) return existing;
    known.set(key, states.length);
    states.push({ kernel, items: closure(kernel, ruleRhs, byLhs, terminalCount), transitions: new Map() });
    return states.length - 1;
  };
  add([0]);
  for (let s = 0; s < states.length; s++) {
    const targets = new Map<number, number[]>();
    for (const item of states[s]!.items) {
      const symbol = ruleRhs[item >> DOT_BITS]![item & DOT_MASK];
      if (symbol === undefined) continue;
      const target = targets.get(symbol);
      if (target) target.push(item + 1);
      else targets.set(symbol, [item + 1]);
    }
    for (const [symbol, kernel] of targets) states[s]!.transitions.set(symbol, add(kernel));
  }
  return states;
}

function closure(
  kernel: readonly number[],
  ruleRhs: readonly number[][],
  byLhs: readonly number[][],
  terminalCount: number,
): number[] {
  const items = [...kernel];
  const expanded = new Set<number>();
  for (let i = 0; i < items.length; i++) {
    const symbol = ruleRhs[items[i]! >> DOT_BITS]![items[i]! & DOT_MASK];
    if (symbol === undefined || symbol < terminalCount || expanded.has(symbol)) continue;
    expanded.add(symbol);
    for (const rule of byLhs[symbol]!) items.push(rule << DOT_BITS);
  }
  return items;
}

/** computeLookaheads returns the look-ahead bits of each reduction, keyed by state * rules + rule. */
function computeLookaheads(
  states: readonly State[],
  ruleLhs: readonly number[],
  ruleRhs: readonly number[][],
  terminalCount: number,
  symbolCount: number,
): Map<number, Int32Array> {
  const words = (terminalCount + 31) >> 5;
  const nullable = computeNullable(ruleLhs, ruleRhs, symbolCount);
  // A transition is a state and a nonterminal; its set starts with the tokens that can be read directly after it.
  const transitionIds = new Map<number, number>();
  const transitions: { state: number; symbol: number; target: number }[] = [];
  for (const [s, state] of states.entries()) {
    for (const [symbol, target] of state.transitions) {
      if (symbol < terminalCount) continue;
      transitionIds.set(s * symbolCount + symbol, transitions.length);
      transitions.push({ state: s, symbol, target });
    }
  }
  const sets = transitions.map(() => new Int32Array(words));
  const reads: number[][] = transitions.map(() => []);
  const includes: number[][] = transitions.map(() => []);
  const lookback = new Map<number, number[]>();
  // The symbols of a rule from this index on are followed only by symbols that may be empty.
  const emptyAfter = ruleRhs.map((rhs) =>
    Math.max(
      0,
      rhs.findLastIndex((symbol) => !nullable[symbol]),
    ),
  );
  const byLhs: number[][] = Array.from({ length: symbolCount + 1 }, () => []);
  for (const [rule, lhs] of ruleLhs.entries()) byLhs[lhs]!.push(rule);

  for (const [id, transition] of transitions.entries()) {
    for (const symbol of states[transition.target]!.transitions.keys()) {
      if (symbol < terminalCount) sets[id]![symbol >> 5]! |= 1 << (symbol & 31);
      else if (nullable[symbol]) reads[id]!.push(transitionIds.get(transition.target * symbolCount + symbol)!);
    }
    for (const rule of byLhs[transition.symbol]!) {
      const rhs = ruleRhs[rule]!;
      let state = transition.state;
      for (const [i, symbol] of rhs.entries()) {
        if (symbol >= terminalCount && i >= emptyAfter[rule]!) {
          includes[transitionIds.get(state * symbolCount + symbol)!]!.push(id);
        }
        state = states[state]!.transitions.get(symbol)!;
      }
      const key = state * ruleRhs.length + rule;
      const list = lookback.get(key);
      if (list) list.push(id);
      else lookback.set(key, [id]);
    }
  }
  propagate(reads, sets);
  propagate(includes, sets);
  const lookaheads = new Map<number, Int32Array>();
  for (const [key, list] of lookback) {
    const union = new Int32Array(words);
    for (const id of list) for (let w = 0; w < words; w++) union[w]! |= sets[id]![w]!;
    lookaheads.set(key, union);
  }
  return lookaheads;
}

function computeNullable(ruleLhs: readonly number[], ruleRhs: readonly number[][], symbolCount: number): boolean[] {
  const nullable = Array.from({ length: symbolCount + 1 }, () => false);
  for (let changed = true; changed;) {
    changed = false;
    for (const [i, lhs] of ruleLhs.entries()) {
      if (nullable[lhs] || !ruleRhs[i]!.every((symbol) => nullable[symbol])) continue;
      nullable[lhs] = true;
      changed = true;
    }
  }
  return nullable;
}

const DONE = 0x7fffffff;

/** propagate adds to each set the sets of all that it is related to, directly or not (Tarjan's components). */
function propagate(relation: readonly number[][], sets: readonly Int32Array[]): void {
  const depth = new Int32Array(sets.length);
  const stack: number[] = [];
  const visit = (x: number): void => {
    stack.push(x);
    const d = stack.length;
    depth[x] = d;
    const set = sets[x]!;
    for (const y of relation[x]!) {
      if (depth[y] === 0) visit(y);
      depth[x] = Math.min(depth[x]!, depth[y]!);
      for (let w = 0; w < set.length; w++) set[w]! |= sets[y]![w]!;
    }
    if (depth[x] !== d) return;
    for (;;) {
      const top = stack.pop()!;
      depth[top] = DONE;
      if (top === x) return;
      sets[top]!.set(set);
    }
  };
  for (let x = 0; x < sets.length; x++) if (depth[x] === 0) visit(x);
}
