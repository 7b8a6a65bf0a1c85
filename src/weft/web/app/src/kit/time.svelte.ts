// Times in the viewer's zone, and the present moment as state that moves.
const absolute = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });
const clockOnly = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' });
const dayAndClock = new Intl.DateTimeFormat(undefined, { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit' });
const yearToo = new Intl.DateTimeFormat(undefined, { year: 'numeric', month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit' });

class Now {
  ms = $state(Date.now());
  constructor() {
    setInterval(() => {
      if (!document.hidden) this.ms = Date.now();
    }, 5_000);
  }
}
export const now = new Now();

/** As `3 s`, `4 min`, `2 h`, `6 d`. */
export function durationText(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} d`;
}

export function agoText(at: string, from: number): string {
  const ms = from - Date.parse(at);
  // Another clock than ours, or heard since ours was last read.
  if (Math.abs(ms) < 10_000 && ms < 1500) return 'now';
  return ms < 0 ? `in ${durationText(-ms)}` : `${durationText(ms)} ago`;
}

/** As short as it still says which moment: without the day that is today's, or the year that is this one. */
export function momentText(at: string): string {
  const [date, today] = [new Date(at), new Date()];
  if (date.toDateString() === today.toDateString()) return clockOnly.format(date);
  return (date.getFullYear() === today.getFullYear() ? dayAndClock : yearToo).format(date);
}

/** The exact instant: in the viewer's zone, and as it is kept. */
export function exactText(at: string): string {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  return `${absolute.format(new Date(at))} (${zone})\n${at}`;
}
