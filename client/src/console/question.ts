/** The answer is not one; the message is its reason. */
export class AnswerError extends Error {
  readonly code = 'ANSWER';
}

/** Somebody has broken a dialogue off, or gone away in the middle of it. */
export class CancelledError extends Error {
  readonly code = 'CANCELLED';
}

/** What a person is asked. */
export interface Question<T> {
  readonly text: string;
  /** What an empty answer means. */
  readonly suggestion?: string;
  /** @throws {AnswerError} for an answer that is not one, after which it is asked again */
  readonly read: (answer: string) => T;
}

/** How a dialogue talks with the person at one terminal. */
export interface Conversation {
  /** @throws {CancelledError} */
  readonly ask: <T>(question: Question<T>) => Promise<T>;
  readonly say: (text: string) => void;
}
