/** The connection's state in a few calm words. */
import type { CloseMeaning, Status } from 'huntcore-client';

export type StatusName = 'connecting' | 'live' | 'reconnecting' | 'stopped';

/** How long after a reconnect the page says so. */
const FRESH_MS = 6_000;

const WHY: Record<CloseMeaning, string> = {
  restarting: 'server restarting',
  busy: 'server busy',
  'too-slow': 'fell behind',
  forbidden: 'signed out',
  protocol: 'connection refused',
  lost: 'connection lost',
};

export function statusName(status: Status): StatusName {
  switch (status.state) {
    case 'live':
    case 'stopped':
      return status.state;
    case 'waiting':
      return 'reconnecting';
    case 'connecting':
      return status.again ? 'reconnecting' : 'connecting';
  }
}

/** Why there is no connection, where there is something to say. */
export function statusReason(status: Status): string | null {
  return status.state === 'waiting' ? WHY[status.why] : null;
}

export function statusText(status: Status, nowMs: number): string {
  switch (status.state) {
    case 'stopped':
      return 'not connected';
    case 'connecting':
      return status.again ? 'reconnecting…' : 'connecting…';
    case 'waiting': {
      const seconds = Math.max(1, Math.ceil((status.untilMs - nowMs) / 1000));
      return `reconnecting in ${seconds} s`;
    }
    case 'live':
      if (!status.again || nowMs - status.sinceMs > FRESH_MS) return 'live';
      return status.resumed ? 'resumed' : 'reconnected';
  }
}
