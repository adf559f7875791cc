/** Boards and corrections in words. Pure. */
import type { BoardDefinition, Correction } from 'huntcore-client';
import { pointsOf, whole } from '../ui/format';

const SOURCES: Readonly<Record<string, string>> = {
  claims: 'points of claims',
  events: 'score events',
  both: 'claims and score events',
};
const OPERATORS: Readonly<Record<string, string>> = {
  sum: 'added up',
  max: 'the highest counts',
  min: 'the lowest counts',
  last: 'the latest counts',
  count: 'counted',
};

/** What a board counts; `null` for one that this page was told nothing of. */
export function whatCounts(definition: BoardDefinition | null): string {
  if (definition === null) return '';
  const source = SOURCES[definition.from] ?? definition.from;
  const types = definition.eventTypes.length === 0 ? '' : ` (${definition.eventTypes.join(', ')})`;
  const lowest = definition.order === 'ascending' ? ', lowest first' : '';
  return `${source}${types}, ${OPERATORS[definition.operator] ?? definition.operator}${lowest}`;
}

/** How time is cut. */
export function whichWindows(definition: BoardDefinition | null): string {
  if (definition === null) return '';
  const { window } = definition;
  const zone = definition.zone === null || definition.zone === 'UTC' ? '' : `, ${definition.zone}`;
  if (typeof window !== 'string') return `anew at ${window.cron}${zone}`;
  if (window === 'whole') return 'whole hunt';
  return ['day', 'week', 'month'].includes(window) ? `each ${window}${zone}` : `every ${window}`;
}

/** The boards that every hunt has. */
export const BUILT_IN: readonly BoardDefinition[] = [
  builtIn('total', 'claims', 'sum', 'whole'),
  builtIn('best', 'events', 'max', 'whole'),
  builtIn('second', 'events', 'max', '1s'),
];

function builtIn(name: string, from: string, operator: string, window: string): BoardDefinition {
  return {
    name, from, operator, window, order: 'descending', zone: null, time: 'server', lateness: null, eventTypes: [], results: 0,
  };
}

/** What was corrected, without whom and why. */
export function whatWasCorrected(correction: Correction): string {
  switch (correction.kind) {
    case 'claim-voided': {
      const worth = correction.points === null ? '' : `, ${pointsOf(correction.points)}`;
      return `claim voided: round ${whole(correction.round ?? 0)}, tile ${whole(correction.tile ?? 0)}${worth}`;
    }
    case 'disqualified':
      return 'disqualified: on no board any more';
    case 'reinstated':
      return 'reinstated: back on the boards';
    default:
      return 'corrected';
  }
}
