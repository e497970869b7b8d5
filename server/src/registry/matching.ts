import { type Trait, TRAIT_WEIGHTS, TRAIT_WORDS, type TraitKind, traitKey } from './traits.ts';

/** Less than this agrees in nothing that identifies: a disk alone may have been moved. */
const ENOUGH = 40;
/** What contradicts counts so many times: taking two computers for one is the worse mistake. */
const CONTRADICTION_FACTOR = 2;
/** By so much the best candidate must be better than any other. */
const CLEAR_LEAD = 50;

/** More would help nobody to decide: they all have one value that is bad and not known to be so. */
const MAX_CANDIDATES = 10;

/** A computer that is known, as far as it matters here. */
export interface Known {
  readonly id: string;
  readonly name: string;
  readonly traits: readonly Trait[];
}

/** How a machine and a known computer compare. */
export interface Comparison {
  readonly id: string;
  readonly name: string;
  /** Sum of the weights of the kinds that agree. */
  readonly agreeing: number;
  /** Sum of the weights of the kinds that both have and in which nothing agrees. */
  readonly contradicting: number;
  /** A sentence for each kind. */
  readonly reasons: readonly string[];
}

export type Match =
  | { readonly kind: 'same'; readonly id: string }
  | { readonly kind: 'new' }
  | { readonly kind: 'doubtful'; readonly candidates: readonly Comparison[] };

export interface MatchOptions {
  /** Whether two computers were told apart by an administrator. */
  readonly areDifferent?: (oneId: string, otherId: string) => boolean;
  /**
   * Of a machine in its firmware: the address of its card agrees, but does not contradict, because it may be a dock's.
   */
  readonly partial?: boolean;
}

/** Which of the known computers a machine with these traits is. */
export function matchComputer(
  traits: readonly Trait[],
  known: readonly Known[],
  { areDifferent = () => false, partial = false }: MatchOptions = {},
): Match {
  const exact = partial
    ? undefined
    : known.filter((one) => hasSameTraits(traits, one.traits)).toSorted(byId)[0];
  if (exact !== undefined) return { kind: 'same', id: exact.id };
  const [best, ...others] = known
    .map((one) => compare(traits, one, partial))
    .filter(({ agreeing }) => agreeing > 0)
    .toSorted((a, b) => marginOf(b) - marginOf(a) || byId(a, b));
  if (best === undefined) return { kind: 'new' };
  const rivals = others.filter(({ id }) => !areDifferent(best.id, id));
  const lead = marginOf(best) - Math.max(...rivals.map(marginOf), Number.NEGATIVE_INFINITY);
  if (best.agreeing >= ENOUGH && marginOf(best) >= 0 && lead >= CLEAR_LEAD) {
    return { kind: 'same', id: best.id };
  }
  return { kind: 'doubtful', candidates: [best, ...rivals].slice(0, MAX_CANDIDATES) };
}

function compare(
  traits: readonly Trait[],
  { id, name, traits: theirs }: Known,
  partial: boolean,
): Comparison {
  let agreeing = 0;
  let contradicting = 0;
  const reasons: string[] = [];
  for (const kind of Object.keys(TRAIT_WEIGHTS) as TraitKind[]) {
    const here = valuesOf(traits, kind);
    const there = valuesOf(theirs, kind);
    if (here.length === 0 || there.length === 0) continue;
    const common = here.filter((value) => there.includes(value));
    if (common.length > 0) {
      agreeing += TRAIT_WEIGHTS[kind];
      reasons.push(`Both have the ${TRAIT_WORDS[kind]} ${common.join(', ')}.`);
    } else if (!(partial && kind === 'mac')) {
      contradicting += TRAIT_WEIGHTS[kind];
      reasons.push(
        `The ${TRAIT_WORDS[kind]} is ${here.join(', ')} here, but ${there.join(', ')} at ${name}.`,
      );
    }
  }
  return { id, name, agreeing, contradicting, reasons };
}

function marginOf({ agreeing, contradicting }: Comparison): number {
  return agreeing - CONTRADICTION_FACTOR * contradicting;
}

function valuesOf(traits: readonly Trait[], wanted: TraitKind): readonly string[] {
  return traits
    .filter(({ kind }) => kind === wanted)
    .map(({ value }) => value)
    .toSorted();
}

function hasSameTraits(ones: readonly Trait[], others: readonly Trait[]): boolean {
  const keys = new Set(others.map(traitKey));
  return (
    ones.length > 0 &&
    keys.size === new Set(ones.map(traitKey)).size &&
    ones.every((one) => keys.has(traitKey(one)))
  );
}

function byId(a: { readonly id: string }, b: { readonly id: string }): number {
  return a.id < b.id ? -1 : 1;
}
