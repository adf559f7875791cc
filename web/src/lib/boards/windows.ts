/** A board's windows as the page names them, and the way from one to the next. Pure. */
import type { BoardWindow, WindowView } from 'huntcore-client';

const DAY_MS = 86_400_000;

export function isWhole(window: BoardWindow): boolean {
  return window.startMs === null || window.endMs === null;
}

/** `14:03:20 – 14:03:30`, `12 Nov 14:00 – 15:00`, `12 – 19 Nov`. In the reader's own time zone. */
export function windowLabel(window: BoardWindow, nowMs: number, zone?: string): string {
  if (window.startMs === null || window.endMs === null) return 'whole hunt';
  const start = new Date(window.startMs);
  const end = new Date(window.endMs);
  const format = (options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat =>
    new Intl.DateTimeFormat('en-GB', { ...options, ...(zone === undefined ? {} : { timeZone: zone }) });
  const day = format({ day: 'numeric', month: 'short' });
  const length = window.endMs - window.startMs;
  // A day's window of a zone with summer time has 23 to 25 hours.
  if (length >= DAY_MS - 3_600_000) {
    const last = new Date(window.endMs - 1);
    return day.format(start) === day.format(last) ? day.format(start) : `${day.format(start)} – ${day.format(last)}`;
  }
  const clock = format({
    hour: '2-digit',
    minute: '2-digit',
    ...(length % 60_000 === 0 && window.startMs % 60_000 === 0 ? {} : { second: '2-digit' }),
  });
  const when = `${clock.format(start)} – ${clock.format(end)}`;
  return day.format(start) === day.format(new Date(nowMs)) ? when : `${day.format(start)} ${when}`;
}

/** The windows beside one, by its start; the list has the newest first. */
export function beside(
  windows: readonly WindowView[],
  startMs: number | null,
): { readonly older: WindowView | null; readonly newer: WindowView | null } {
  if (startMs === null) return { older: null, newer: null };
  const older = windows.find((one) => one.startMs < startMs);
  const newer = windows.findLast((one) => one.startMs > startMs);
  return { older: older ?? null, newer: newer ?? null };
}

/** Whether anything can still change it: `running`, `provisional`, `final`; `open` without an end. */
export function windowState(window: BoardWindow, windows: readonly WindowView[], nowMs: number): string {
  if (window.final) return 'final';
  if (isWhole(window)) return 'open';
  const listed = windows.find(({ startMs }) => startMs === window.startMs);
  const hasEnded = listed?.provisional ?? (window.endMs !== null && window.endMs <= nowMs);
  return hasEnded ? 'provisional' : 'running';
}
