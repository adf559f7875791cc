/** Routes in the hash, so that one static file serves them all: `#/play/park?token=…`. */
export type Page = 'home' | 'play' | 'boards' | 'watch' | 'stage';

export interface Route {
  readonly page: Page;
  readonly hunt: string | null;
  readonly token: string | null;
}

const PAGES: readonly string[] = ['play', 'boards', 'watch', 'stage'];

export function parseRoute(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?');
  const [page = '', hunt = ''] = path.split('/');
  const token = new URLSearchParams(query).get('token');
  if (!PAGES.includes(page) || hunt === '') return { page: 'home', hunt: null, token };
  return { page: page as Page, hunt: decoded(hunt), token };
}

export function href(page: Page, hunt: string): string {
  return `#/${page}/${encodeURIComponent(hunt)}`;
}

export class Router {
  route = $state.raw<Route>(parseRoute(''));

  start(): () => void {
    const read = (): void => {
      this.route = parseRoute(location.hash);
    };
    read();
    window.addEventListener('hashchange', read);
    return () => window.removeEventListener('hashchange', read);
  }

  /** Without a step in the history. */
  replace(hash: string): void {
    history.replaceState(null, '', hash);
    this.route = parseRoute(hash);
  }
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
