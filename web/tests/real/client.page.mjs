/** What the browser runs for client.test.mjs. */
import { HuntcoreClient, json, proto } from 'huntcore-client';
window.watch = async (hunt, form) => {
  const live = new HuntcoreClient(location.origin).live(hunt, { form: { json, proto }[form] });
  const { info } = await live.until((state) => state.newestOpen());
  window.claimed = async (tile) => {
    const { player } = await live.until((state) => state.rounds.get(info.round)?.claims.get(tile));
    live.close();
    return player;
  };
  return info;
};
