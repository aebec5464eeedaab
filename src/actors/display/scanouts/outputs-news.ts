// What the guest knows of the outputs. A driver reads modes and EDIDs, and then clears the event that told it to: a change
// in between would be lost, since clearing it says that all was read. So it is told again.

import type { Question } from "./questions.ts";

export class OutputsNews {
  private changes = 0;
  /** How many changes there had been when the guest was told the modes, and each EDID that it has asked for. */
  private modesAt = 0;
  private readonly edidsAt = new Map<number, number>();
  /** Whether the guest was told once more of the last change: it is not told for ever. */
  private isRepeated = false;
  private isUntold = false;
  /** Whether the guest was told, and has not said that it has read; and whether it has asked for something since. */
  private isTold = false;
  private hasAsked = false;

  changed(): void {
    this.changes++;
    this.isRepeated = false;
    this.isUntold = true;
  }

  answered(question: Question): void {
    this.hasAsked = true;
    if (question.type === "ask-display-info") this.modesAt = this.changes;
    else this.edidsAt.set(question.scanout, this.changes);
  }

  /** The driver says that it has read what it was told of. One that has asked for nothing asks later, or never. */
  cleared(): void {
    this.isTold = false;
    if (!this.hasAsked) return;
    const oldest = Math.min(this.modesAt, ...this.edidsAt.values());
    if (oldest === this.changes || this.isRepeated) return;
    this.isRepeated = true;
    this.isUntold = true;
  }

  /** Whether there is something to tell, once. */
  take(): boolean {
    const { isUntold } = this;
    this.isUntold = false;
    if (isUntold && !this.isTold) {
      this.isTold = true;
      this.hasAsked = false;
    }
    return isUntold;
  }
}
