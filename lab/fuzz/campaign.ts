// All targets one after the other, each for its share of the time: batch after batch, with a seed each.

import type { Death, Finding, Findings } from "./findings.ts";
import type { Illness } from "./health.ts";
import { Session } from "./session.ts";
import type { Target } from "./target.ts";

export interface Tally {
  readonly target: string;
  inputs: number;
  batches: number;
  seconds: number;
  /** Renderers that died of what they were sent. */
  deaths: number;
  /** One of each cause, of those that repeat. */
  readonly kept: Death[];
  readonly found: Finding[];
}

export interface CampaignOptions {
  /** Of the first batch; the next ones have the next. */
  readonly seed: number;
  /** Of each target; what comes first ends it. */
  readonly milliseconds: number;
  readonly inputsMax: number;
  readonly findings: Findings;
  readonly told: (tally: Tally) => void;
  readonly signal: AbortSignal;
}

/** A target that is ill of everything says no more after so many. */
const findingsMax = 8;

export async function fuzz(target: Target, options: CampaignOptions): Promise<Tally> {
  const campaign = new Campaign(target, options);
  await campaign.run();
  return campaign.tally;
}

class Campaign {
  readonly tally: Tally;
  private session: Session | null = null;
  private readonly began = performance.now();

  constructor(
    private readonly target: Target,
    private readonly options: CampaignOptions,
  ) {
    this.tally = { target: target.name, inputs: 0, batches: 0, seconds: 0, deaths: 0, kept: [], found: [] };
  }

  async run(): Promise<void> {
    try {
      for (let { seed } = this.options; this.goesOn(); seed++) await this.batch(seed);
    } finally {
      const log = this.session?.log() ?? "";
      const illness = (await this.session?.end()) ?? null;
      if (illness !== null) await this.fellIll(illness, this.options.seed, this.target.batch, log);
    }
  }

  private async batch(seed: number): Promise<void> {
    const { target, tally } = this;
    this.session ??= await this.start();
    const before = tally.inputs;
    const to = Math.min(target.batch, this.options.inputsMax - before);
    const died = this.session.deaths.length;
    const illness = await this.session.run({ seed, from: 0, to });
    tally.batches++;
    const deaths = this.session.deaths.slice(died);
    tally.deaths += deaths.length;
    this.clock();
    if (deaths.length > 0)
      tally.kept.push(...(await this.options.findings.keepDeaths(target, { seed, from: 0, to }, deaths)));
    if (illness === null) return;
    const log = this.session.log();
    await this.session.end();
    this.session = null;
    await this.fellIll(illness, seed, to, log);
    this.clock();
  }

  /** A server that was sent nothing is well. */
  private async start(): Promise<Session> {
    const session = await Session.start(this.target, { sent: (inputs) => this.sent(inputs) });
    const illness = await session.run({ seed: this.options.seed, from: 0, to: 0 });
    if (illness === null) return session;
    const log = session.log();
    await session.end();
    throw new Error(`a server that was sent nothing is ill: ${illness.what}\n${log}`);
  }

  private async fellIll(illness: Illness, seed: number, to: number, log: string): Promise<void> {
    if (illness.isRenderer) return;
    const range = { seed, from: 0, to };
    this.tally.found.push(await this.options.findings.keep(this.target, range, illness, log));
  }

  private sent(inputs: number): boolean {
    this.tally.inputs += inputs;
    this.clock();
    return this.goesOn();
  }

  private goesOn(): boolean {
    const { milliseconds, inputsMax, signal } = this.options;
    const { inputs, found } = this.tally;
    const isOver = performance.now() - this.began >= milliseconds || inputs >= inputsMax;
    return !isOver && !signal.aborted && found.length < findingsMax;
  }

  private clock(): void {
    this.tally.seconds = (performance.now() - this.began) / 1000;
    this.options.told(this.tally);
  }
}
