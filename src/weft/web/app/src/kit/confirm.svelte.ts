// Asking before something is destroyed: `if (await confirm({...})) ...`
export interface Question {
  title: string;
  text: string;
  /** What the button says: the act itself, as "Delete pump-7". */
  act: string;
  danger?: boolean;
  /** To be typed before the button works, for what cannot be undone. */
  typed?: string;
}

class Confirming {
  question = $state<Question | null>(null);
  #answer: ((yes: boolean) => void) | null = null;

  ask(question: Question): Promise<boolean> {
    this.answer(false);
    this.question = question;
    return new Promise((resolve) => (this.#answer = resolve));
  }

  answer(yes: boolean): void {
    this.#answer?.(yes);
    this.#answer = null;
    this.question = null;
  }
}

export const confirming = new Confirming();
export const confirm = (question: Question): Promise<boolean> => confirming.ask(question);
