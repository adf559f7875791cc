/**
 * A player's id as people read it. A guest's is the chosen name and something that nobody
 * can guess (`ada~9f3c01a2b4`); a few characters of that tell two of one name apart.
 */
const GUEST = /^(.+)~([0-9a-f]{10})$/su;
const SHOWN = 4;

export interface PlayerName {
  readonly name: string;
  readonly suffix: string;
}

export function playerName(player: string): PlayerName {
  const [, name, suffix] = GUEST.exec(player) ?? [];
  if (name === undefined || suffix === undefined) return { name: player, suffix: '' };
  return { name, suffix: `~${suffix.slice(0, SHOWN)}` };
}
