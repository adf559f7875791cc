/**
 * Lets the rows of a table slide to their new places.
 *
 * All rows have one height, so a row's way follows from its ranks alone: nothing is
 * measured per row, which would force a layout for each of a hundred, several times a
 * second. Rows out of sight do not move at all.
 */
const SLIDE_MS = 420;

export class RowSlider {
  #places: ReadonlyMap<string, number> = new Map();

  /** Call after the rows stand in their new order. */
  slide(viewport: HTMLElement, keys: readonly string[], still: boolean): void {
    const before = this.#places;
    this.#places = new Map(keys.map((key, index) => [key, index]));
    const rows = viewport.querySelectorAll<HTMLElement>('tbody > tr');
    const height = rows[0]?.offsetHeight ?? 0;
    if (still || before.size === 0 || height === 0) return;
    const first = Math.floor(viewport.scrollTop / height) - 1;
    const last = first + Math.ceil(viewport.clientHeight / height) + 2;
    for (const [index, key] of keys.entries()) {
      const from = before.get(key) ?? keys.length;
      if (from === index || (from < first && index < first) || (from > last && index > last)) continue;
      const way = Math.min(Math.max(from, first - 1), last + 1) - index;
      rows[index]?.animate(
        { transform: [`translateY(${way * height}px)`, 'none'] },
        { duration: SLIDE_MS, easing: 'cubic-bezier(0.2, 0.8, 0.2, 1)' },
      );
    }
  }
}
