/** Debian's Chromium with a fresh profile, quiet towards the network. */
import { chromium } from 'playwright-core';

const ARGUMENTS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Playwright gives every launch a user-data-dir of its own and removes it afterwards. */
export function launch() {
  return chromium.launch({
    executablePath: process.env.HUNTCORE_CHROMIUM ?? '/usr/bin/chromium',
    args: ARGUMENTS,
  });
}
